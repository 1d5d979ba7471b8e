"""Who is connected to the gate, and who may do what."""

import grp
import os
import pwd
from collections import Counter

from glassmail.net import doorway

GROUP = "glass"  # its members administer the site


class Peer(doorway.Peer):
    """One connection.

    Attributes:
        entered: connections that it counted in, by address.
    """

    __slots__ = ("entered",)

    def __init__(self, pid: int, uid: int, gid: int) -> None:
        super().__init__(pid, uid, gid)
        self.entered: Counter[bytes] = Counter()

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for it to read."""
        return self.channel.unsent_bytes if self.channel is not None else 0


class Rights:
    """Answers by the uid that the kernel vouches for (SO_PEERCRED)."""

    def __init__(self, root: str, uids: dict[str, tuple[int, int]]) -> None:
        """Take the site's owner and the uids of its daemons."""
        self._masters = {0, os.stat(root).st_uid}
        smtpd = uids.get("smtpd")
        self._servers = self._masters | ({smtpd[0]} if smtpd is not None else set())

    def may_serve(self, uid: int) -> bool:
        """Tell whether a process may speak as the SMTP server."""
        return uid in self._servers

    def may_order(self, uid: int, gid: int) -> bool:
        """Tell whether somebody may look, block and tap."""
        if uid in self._masters:
            return True
        try:
            group = grp.getgrnam(GROUP)
            return gid == group.gr_gid or pwd.getpwuid(uid).pw_name in group.gr_mem
        except KeyError:
            return False  # no such group, or a uid without a name
