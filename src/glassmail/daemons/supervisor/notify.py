"""Tell systemd how we are (sd_notify(3)): one datagram to $NOTIFY_SOCKET, when there is one."""

import os
import socket


def tell_systemd(state: str) -> None:
    """Send a state such as `READY=1`; without systemd, or when it does not listen, do nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.connect(address)
            sock.sendall(state.encode())
        except OSError:
            return  # systemd is told for its comfort; the server does not depend on it
