"""What the supervisor hands to a daemon at its fork."""

import socket
from dataclasses import dataclass

from glassmail.core.formats.listen import Listener
from glassmail.settings.place import Place


@dataclass(frozen=True, slots=True)
class Context:
    """A daemon's surroundings.

    Attributes:
        place: the site's paths.
        role: smtpd, queue, local, remote, keeper, log.
        index: which of several processes of this role, from 0.
        uids: role -> (uid, gid); every role has the caller's in one-user mode.
        is_one_user: whether everything runs as the caller.
        listeners: bound, listening sockets of acceptors, each with its line of control/listen.
        internal: the listening Unix socket of queue, log or keeper; None: make it yourself.
        parent_fd: reads end of file when the supervisor is gone.
    """

    place: Place
    role: str
    index: int
    uids: dict[str, tuple[int, int]]
    is_one_user: bool
    listeners: tuple[tuple[Listener, socket.socket], ...]
    parent_fd: int
    internal: socket.socket | None = None
