"""A listening Unix socket: handed over by the supervisor, or made in the place of a dead one."""

import os
import socket

from glassmail.net.limits import BACKLOG


def listen_unix(path: str, mode: int = 0o666) -> socket.socket:
    """Listen at a path, taking the place of a socket that an ended process left.

    Anyone may connect by default: who it is comes from the kernel (SO_PEERCRED).
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # nothing was left
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    os.chmod(path, mode)
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock
