"""See the file system with another user's rights, when we are root."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

ID_MAX = 0xFFFF_FFFE  # of users and groups; system calls take the next one for "no change"


@contextmanager
def as_user(uid: int, gid: int) -> Iterator[bool]:
    """Take the effective rights of (uid, gid) while the block runs.

    Only root can do that, and only a process with a single thread may: the change is the whole
    process's. Anybody else keeps its own rights.

    Yields:
        Whether the block sees what that user sees.
    """
    if os.geteuid() != 0 or uid == 0:
        yield os.geteuid() == uid
        return
    groups, own_gid = os.getgroups(), os.getegid()
    try:
        os.setgroups([gid])  # as prot_gid does for a delivery: no other groups
        os.setegid(gid)
        os.seteuid(uid)
        yield True
    finally:
        os.seteuid(0)
        os.setegid(own_gid)
        os.setgroups(groups)
