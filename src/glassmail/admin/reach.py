"""Can the users of the daemons reach ROOT, the interpreter and the package?

After a process has given up root it can use a file only when each directory above it lets that
user through (x). A virtual environment below a home of mode 0700 is the usual trap: the server
would start, change users, and fail at the next import.
"""

import os
import stat
import sys
from collections.abc import Iterable
from typing import NamedTuple

import apsw

import glassmail


class Closed(NamedTuple):
    """A directory that keeps a role's user from a path it needs."""

    role: str
    uid: int
    directory: str
    path: str

    @property
    def sentence(self) -> str:
        """Say what is closed to whom, and the remedy."""
        return (
            f"{self.directory} is closed to uid {self.uid} ({self.role}), who needs {self.path}: "
            f"chmod a+x {self.directory}, or install elsewhere, for example below /opt; or use "
            "--one-user"
        )


def closed_directory(path: str, uid: int, gid: int) -> str | None:
    """Return the first directory on the way to a path that uid and gid may not pass.

    The path itself counts when it is a directory. Links are followed: both the way to a link and
    the way to what it names must be open. Access lists beyond the mode bits are not seen.

    Returns:
        The directory, or the first part that does not exist; None when the way is open.
    """
    if uid == 0:
        return None
    plain = os.path.abspath(path)
    for directory in _directories(plain, os.path.realpath(plain)):
        try:
            status = os.stat(directory)
        except OSError:
            return directory
        if stat.S_ISDIR(status.st_mode) and not _may_pass(status, uid, gid):
            return directory
    return None


def needed_paths(root: str) -> tuple[str, ...]:
    """List what every daemon must reach: ROOT, the interpreter, our package, its libraries."""
    package = os.path.dirname(os.path.abspath(glassmail.__file__))
    libraries = os.path.dirname(os.path.abspath(apsw.__file__))
    return root, sys.executable, os.__file__, package, libraries


def first_closed(paths: Iterable[str], users: dict[str, tuple[int, int]]) -> Closed | None:
    """Return the first directory closed to any role on its way to any path, None if none is."""
    for path in paths:
        for role, (uid, gid) in users.items():
            directory = closed_directory(path, uid, gid)
            if directory is not None:
                return Closed(role, uid, directory, path)
    return None


def _directories(*paths: str) -> list[str]:
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split(os.sep)
        for count in range(1, len(parts) + 1):
            found.setdefault(os.sep.join(parts[:count]) or os.sep)
    return list(found)


def _may_pass(status: os.stat_result, uid: int, gid: int) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
