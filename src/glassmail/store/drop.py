"""queue/drop: leave a message there while the queue does not answer, and take it in later.

Purpose:
    `DropWriter` is the submitters' side, `open_drop` the queue's.

May touch:
    Files in queue/drop. The directory belongs to the queue's user and has mode 1733: submitters
    may make files, nobody but the queue may list them, and nobody may remove another's.

Always:
    - A file is called `TIME.PID.RANDOM.new` until it is complete and durable, then loses `.new`.
      A reader leaves `.new` files alone until they are old.
    - Files have mode 0644, because the queue, which runs as another user and must not depend on
      group membership, has to read them. What keeps them from others is the name: it holds
      128 random bits and the directory cannot be listed.
    - When `commit` has returned, file and name survive a power cut.

Why syncfs:
    The new name is in the directory, and a submitter may not open that directory for reading, so
    that it cannot fsync it (an O_PATH descriptor cannot be synced). `syncfs` on the file's own
    descriptor, called after the rename, commits the whole filesystem, directory entry included.
"""

import ctypes
import hashlib
import os
import stat
import time
from typing import NamedTuple

from glassmail.core.formats import drop
from glassmail.core.formats.drop import HEAD_BYTES, DropError, DropHead
from glassmail.core.model.envelope import Envelope

_READ_BYTES = 1_048_576
_UNFINISHED = ".new"


class DropWriter:
    """One message being written to queue/drop. Raises OSError; call `abandon` then."""

    def __init__(self, directory: str) -> None:
        self._name = f"{int(time.time())}.{os.getpid()}.{os.urandom(16).hex()}"
        self._path = os.path.join(directory, self._name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._path + _UNFINISHED, flags, 0o644)
        self._has_name = False
        self._size = 0
        self._hash = hashlib.sha256(usedforsecurity=False)
        try:
            os.fchmod(self._fd, 0o644)  # whatever the caller's umask is: the queue must read it
            _write_all(self._fd, bytes(HEAD_BYTES))
        except OSError:
            self.abandon()
            raise

    def write(self, data: bytes | bytearray) -> None:
        """Add to the body."""
        _write_all(self._fd, data)
        self._hash.update(data)
        self._size += len(data)

    def commit(self, envelope: Envelope) -> str:
        """Add the envelope, make all durable under the final name; return that name."""
        data = drop.render_envelope(envelope)
        _write_all(self._fd, data)
        self._hash.update(data)
        head = DropHead(self._size, len(data), self._hash.hexdigest().encode("ascii"))
        os.pwrite(self._fd, drop.render_head(head), 0)
        os.fsync(self._fd)
        os.rename(self._path + _UNFINISHED, self._path)
        self._has_name = True
        _sync_filesystem(self._fd)
        os.close(self._fd)
        return self._name

    def abandon(self) -> None:
        """Remove the file; the message was not left."""
        os.close(self._fd)
        os.unlink(self._path if self._has_name else self._path + _UNFINISHED)


class Dropped(NamedTuple):
    """A message found in queue/drop, whole and checked.

    Attributes:
        fd: open for reading; the body is `body_size` bytes at `body_at`. The caller closes it.
        uid: who left it (the file's owner).
        dropped_at: when, in seconds since 1970.
    """

    fd: int
    uid: int
    dropped_at: int
    envelope: Envelope
    body_at: int
    body_size: int


def open_drop(path: str) -> Dropped:
    """Open a file that was left and check all of it; raises DropError or OSError."""
    # O_NONBLOCK: a fifo that somebody put there must not hold the queue up.
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return _read(fd)
    except (OSError, DropError):
        os.close(fd)
        raise


def is_finished(name: str) -> bool:
    """Tell whether a name in queue/drop is that of a complete message."""
    return not name.endswith(_UNFINISHED) and not name.startswith(".")


def _read(fd: int) -> Dropped:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise DropError("is not a regular file")
    if status.st_nlink != 1:
        # A hard link would make its owner the submitter of something he did not hand in.
        raise DropError("has several names")
    head = drop.parse_head(os.pread(fd, HEAD_BYTES, 0))
    if status.st_size != HEAD_BYTES + head.body_size + head.envelope_size:
        raise DropError(f"has {status.st_size} bytes, not what its first line says")
    envelope = os.pread(fd, head.envelope_size, HEAD_BYTES + head.body_size)
    if _checksum(fd, head) != head.checksum:
        raise DropError("its checksum is wrong")
    return Dropped(
        fd,
        status.st_uid,
        int(status.st_mtime),
        drop.parse_envelope(envelope),
        HEAD_BYTES,
        head.body_size,
    )


def _checksum(fd: int, head: DropHead) -> bytes:
    digest = hashlib.sha256(usedforsecurity=False)
    at = HEAD_BYTES
    end = HEAD_BYTES + head.body_size + head.envelope_size
    while at < end:
        data = os.pread(fd, min(_READ_BYTES, end - at), at)
        if not data:
            raise DropError("became shorter while it was read")
        digest.update(data)
        at += len(data)
    return digest.hexdigest().encode("ascii")


def _write_all(fd: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _sync_filesystem(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
