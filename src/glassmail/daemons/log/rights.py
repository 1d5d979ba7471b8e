"""Who may tell events, who may ask."""

import grp
import os
import pwd

GROUP = "glass"  # its members see everybody's mail


class Rights:
    """Answers by the uid that the kernel vouches for (SO_PEERCRED)."""

    def __init__(self, root: str, uids: dict[str, tuple[int, int]]) -> None:
        """Take the site's owner and the uids of its daemons."""
        self._owner = os.stat(root).st_uid
        self._daemons = frozenset(uid for uid, _gid in uids.values())
        queue = uids.get("queue")
        self._queue = queue[0] if queue is not None else self._owner

    def may_tell(self, uid: int) -> bool:
        """Only the site's own processes write into its logs."""
        return uid in self._daemons or self._is_master(uid)

    def may_tell_facts(self, uid: int) -> bool:
        """Only the queue knows facts of messages."""
        return uid == self._queue or self._is_master(uid)

    def may_see_all(self, uid: int, gid: int) -> bool:
        """Root, the owner, this process's user and group `glass` see everybody's mail."""
        return self._is_master(uid) or _is_in_group(uid, gid)

    def is_master(self, uid: int) -> bool:
        """Root, the owner and this process's user may change what is kept."""
        return self._is_master(uid)

    def _is_master(self, uid: int) -> bool:
        return uid in {0, self._owner, os.geteuid()}


def _is_in_group(uid: int, gid: int) -> bool:
    try:
        group = grp.getgrnam(GROUP)
        return gid == group.gr_gid or pwd.getpwuid(uid).pw_name in group.gr_mem
    except KeyError:
        return False  # no such group, or a uid without a name
