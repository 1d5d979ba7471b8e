"""Change a file so that a reader, and a power cut, sees the old one or the new one whole.

Purpose:
    Every edit of a control file, users/assign, vpasswd or dot-qmail file goes through `replace`:
    a temporary file beside it, synced, renamed over it, and the directory synced. `locked` keeps
    two editors apart in vpopmail's own way, an fcntl lock on NAME.lock, so that its programs and
    these wait for each other (vpopmail file_lock.c).

Always:
    - A replaced file keeps owner, group and mode of the one before, unless they are given.
    - The temporary file is removed when anything fails.
"""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

from glassmail.core.model.system_errors import words_of

LOCK_WAIT_S = 30.0
_LOCK_PAUSE_S = 0.05
FILE_MODE = 0o644


class EditError(Exception):
    """A file could not be changed; the text names it, the reason and the remedy."""


class NewFile(NamedTuple):
    """A file's new content.

    Attributes:
        path: the file.
        data: its bytes.
        mode: permission bits; None keeps those of the old file, 0644 when there is none.
        owner: (uid, gid); None keeps those of the old file, ours when there is none.
    """

    path: str
    data: bytes
    mode: int | None = None
    owner: tuple[int, int] | None = None


@contextmanager
def locked(path: str, lock_name: str | None = None) -> Iterator[None]:
    """Hold the lock of a file, NAME.lock unless named otherwise, while the block runs.

    Raises:
        EditError: when somebody else holds it for LOCK_WAIT_S seconds, or it cannot be made.
    """
    lock_path = lock_name or path + ".lock"
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise because(lock_path, error) from error
    try:
        _leave_to_owner(lock, lock_path)
        _wait_for(lock, lock_path)
        yield
    finally:
        os.close(lock)  # this releases it


@contextmanager
def alone_in(directory: str) -> Iterator[None]:
    """Keep other commands of ours out of a directory while the block runs; leaves no file.

    Raises:
        EditError: when somebody else is in it for LOCK_WAIT_S seconds, or it cannot be opened.
    """
    try:
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise because(directory, error) from error
    try:
        _wait_for(lock, directory, fcntl.flock)  # a record lock needs a file open for writing
        yield
    finally:
        os.close(lock)


def _leave_to_owner(lock: int, lock_path: str) -> None:
    # A lock that root makes in vpopmail's directory must be one that vpopmail can open later.
    if os.geteuid() == 0:
        if os.fstat(lock).st_nlink > 1:  # perhaps a name that the owner gave a file of others
            raise EditError(f"{lock_path}: a hard link to another file: remove it")
        directory = os.stat(os.path.dirname(lock_path) or ".")
        give(lock, (directory.st_uid, directory.st_gid))


def _wait_for(
    lock: int, lock_path: str, take: Callable[[int, int], None] = fcntl.lockf
) -> None:
    give_up_at = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            take(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise because(lock_path, error) from error
        else:
            return
        if time.monotonic() >= give_up_at:
            raise EditError(
                f"{lock_path}: somebody else has held this lock for {LOCK_WAIT_S:.0f} seconds: "
                "end that program, then try again"
            )
        time.sleep(_LOCK_PAUSE_S)


def replace(
    path: str,
    data: bytes,
    mode: int | None = None,
    owner: tuple[int, int] | None = None,
    after_ns: int = 0,
) -> None:
    """Write a file anew, whole or not at all.

    Args:
        path: the file.
        data: its new content.
        mode: permission bits; None keeps those of the old file, 0644 when there is none.
        owner: (uid, gid); None keeps those of the old file, ours when there is none.
        after_ns: its time of change is made later than this, for readers that prefer the newer
            of two files; clocks tick more slowly than files change.

    Raises:
        EditError: when a step fails; the old file is then still there.
    """
    replace_together([NewFile(path, data, mode, owner)], after_ns)


def replace_together(files: Sequence[NewFile], after_ns: int = 0) -> None:
    """Write files of one directory anew; none is replaced before all are on the disk.

    They get their names in this order, the first for good before the others, so that a power cut
    leaves the first one new whenever another is.

    Args:
        files: the files.
        after_ns: the first one's time of change is made later than this, and no other's is
            earlier than the first one's.

    Raises:
        EditError: when a step fails; while the new files are written the old ones stay.
    """
    directory = os.path.dirname(files[0].path)
    left = [f"{file.path}.tmp.{os.getpid()}" for file in files]
    path = files[0].path
    try:
        for file, temporary in zip(files, left, strict=True):
            path = file.path
            _stage(file, temporary, after_ns)
            after_ns = os.stat(temporary).st_mtime_ns - 1 if file is files[0] else after_ns
        for at, file in enumerate(files):
            path = file.path
            os.rename(left[0], path)
            left.pop(0)
            if at in (0, len(files) - 1):
                sync_directory(directory)
    except OSError as error:
        for temporary in left:
            with suppress(OSError):  # where nothing can be removed, nothing was made
                _remove(temporary)
        raise because(path, error) from error


def _stage(file: NewFile, temporary: str, after_ns: int) -> None:
    mode, owner = file.mode, file.owner
    try:
        before = os.stat(file.path)
    except FileNotFoundError:
        before = None
    if before is not None:
        mode = before.st_mode & 0o7777 if mode is None else mode
        owner = (before.st_uid, before.st_gid) if owner is None else owner
    _write(temporary, file.data, FILE_MODE if mode is None else mode, owner)
    _make_later(temporary, after_ns)


def _write(path: str, data: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    # Names hold our process id, so a file of this name is what a killed process left behind.
    _remove(path)
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as file:
        file.write(data)
        give(file.fileno(), owner)
        os.fchmod(file.fileno(), mode)  # after the owner: a change of owner clears setgid
        file.flush()
        os.fsync(file.fileno())


def _make_later(path: str, than_ns: int) -> None:
    if os.stat(path).st_mtime_ns <= than_ns:
        os.utime(path, ns=(than_ns + 1, than_ns + 1))


def edit(path: str, change: Callable[[bytes], bytes], lock_name: str | None = None) -> bool:
    """Read, change and replace a file under its lock; a missing file counts as empty.

    Returns:
        Whether the content changed (nothing is written when it did not).
    """
    with locked(path, lock_name):
        try:
            with open(path, "rb") as file:
                before = file.read()
        except FileNotFoundError:
            before = b""
        except OSError as error:
            raise because(path, error) from error
        after = change(before)
        if after == before:
            return False
        replace(path, after)
        return True


def make_directory(path: str, mode: int, owner: tuple[int, int] | None = None) -> bool:
    """Make a directory with these permissions; return False when it was there already."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return False
    except OSError as error:
        raise because(path, error) from error
    try:
        # By its descriptor: whoever may rename here could have put a link in its place.
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        number = os.open(path, flags)
        try:
            give(number, owner)
            os.fchmod(number, mode)
        finally:
            os.close(number)
        sync_directory(os.path.dirname(path))
    except OSError as error:
        raise because(path, error) from error
    return True


def give(path: str | int, owner: tuple[int, int] | None) -> None:
    """Give a file away when its owner shall be another; only root can (raises OSError)."""
    if owner is None:
        return
    status = os.stat(path)
    if (status.st_uid, status.st_gid) != owner:
        os.chown(path, *owner)


def sync_directory(path: str) -> None:
    """Bring a directory's entries to the disk; raises OSError."""
    number = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # the usual case: nothing was left behind


def because(path: str, error: OSError) -> EditError:
    """Make the error for a file: its name, the reason and the remedy."""
    remedy = "run this as root or as the file's owner" if error.errno in (
        errno.EACCES, errno.EPERM) else "mend that, then try again"  # fmt: skip
    return EditError(f"{path}: {words_of(error)}: {remedy}")
