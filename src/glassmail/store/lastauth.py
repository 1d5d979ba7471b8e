"""When a mailbox's owner last logged in: vpopmail's file `lastauth` in the mailbox's directory.

Its text is the client's address, its time of change the login (vauth.h, VPOPMAIL's vset_lastauth).
A new mailbox has `0.0.0.0`, which means that nobody has logged in.
"""

import os
from typing import NamedTuple

NAME = b"lastauth"
NEVER = b"0.0.0.0"
_TEXT_BYTES_MAX = 64


class LastAuth(NamedTuple):
    """The last login: seconds since 1970, and the client's address."""

    when: int
    client: bytes


def record(directory: bytes, client: bytes) -> None:
    """Note a login that happens now; raises OSError.

    The file keeps its owner. It is not synced: losing it costs a date.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(os.path.join(directory, NAME), flags, 0o600)
    try:
        os.write(descriptor, client[:_TEXT_BYTES_MAX])
        os.utime(descriptor)  # the text may be the same as before
    finally:
        os.close(descriptor)


def read(directory: bytes) -> LastAuth | None:
    """Return the last login; None when nobody has logged in. Raises OSError."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(os.path.join(directory, NAME), flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        client = os.read(descriptor, _TEXT_BYTES_MAX).strip()
        when = int(os.fstat(descriptor).st_mtime)
    finally:
        os.close(descriptor)
    return None if client in (b"", NEVER) else LastAuth(when, client)
