"""A log directory as multilog keeps it: `current`, finished files `@label.s` and `.u`, a lock.

Purpose:
    Append lines, rotate at a size, keep a number of files. Readers of multilog's directories find
    what they know (multilog.c): `current` has mode 0644 while it is written and 0744 when it was
    closed safely; a finished file is `.s` when all of it was written and synced, `.u` otherwise.

Always:
    - Lines are never split between files, and nothing that was written is changed.
    - A full disk loses no line at once: lines wait in memory up to WAITING_BYTES_MAX, writing is
      tried again at every flush, and what had to be dropped is counted and told in the log.
    - The sync of a finished file is left to `aside`, since it may take as long as the disk likes.

Different from multilog: a finished file carries `.u` for the moments until it is synced.
"""

import fcntl
import os
import time
from collections.abc import Callable
from typing import BinaryIO

from glassmail.core.formats.tai64n import label

WAITING_BYTES_MAX = 8_388_608  # kept while the disk takes nothing
NEWLINE_WITHIN = 2_000  # multilog: rotate at a newline within so many bytes of the size
LOCK_MODE = 0o600
OPEN_MODE = 0o644
SAFE_MODE = 0o744


class LogBusyError(Exception):
    """Another process writes to this directory."""


def _at_once(work: Callable[[], None]) -> None:
    work()


class LogDirectory:
    """One directory, one writer."""

    def __init__(
        self,
        path: str,
        size: int,
        files: int,
        *,
        aside: Callable[[Callable[[], None]], object] = _at_once,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Lock the directory and open `current`.

        Args:
            path: made when missing.
            size: bytes after which `current` is finished.
            files: how many finished files are kept.
            aside: runs work that may wait for the disk.
            clock: nanoseconds since 1970, for the labels of finished files.

        Raises:
            LogBusyError: another process holds the lock.
            OSError: the directory cannot be used.
        """
        self.path = path
        self.lost_lines = 0
        self.trouble: OSError | None = None
        self._size = size
        self._files = files
        self._aside = aside
        self._clock = clock
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._last_label = b""
        self._current = os.path.join(path, "current")
        self._fd = -1
        self._bytes = 0
        _make_directory(path)
        self._lock = _lock(os.path.join(path, "lock"))
        try:
            self._settle_old()
            self._open()
        except OSError:
            self._lock.close()
            raise

    def write(self, lines: list[bytes]) -> None:
        """Add chunks of whole lines; they reach the file with the next flush."""
        self._waiting += lines
        self._waiting_bytes += sum(map(len, lines))
        if self._waiting_bytes > WAITING_BYTES_MAX:
            self._drop()

    def flush(self) -> bool:
        """Write what waits, one write per file; False when the disk did not take all of it."""
        if self._fd < 0 and not self._reopen():
            return False
        while self._waiting:
            data = b"".join(self._waiting)
            room = self._size - self._bytes
            if len(data) >= room:
                data = _fitting(data, room)
            if not self._write(data):
                return False
            if self._bytes >= self._size - NEWLINE_WITHIN and not self._rotate():
                return False
        if self.lost_lines and not self._tell_lost():
            return False
        self.trouble = None
        return True

    def close(self) -> None:
        """Write what waits and close safely: `current` gets mode 0744."""
        if self.flush():
            try:
                os.fsync(self._fd)
                os.fchmod(self._fd, SAFE_MODE)
            except OSError as error:
                self.trouble = error
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._lock.close()

    def _tell_lost(self) -> bool:
        count, self.lost_lines = self.lost_lines, 0
        text = b"%b alert: %d lines of this log were lost: the disk took none\n"
        if self._write_all(text % (label(self._clock()), count)):
            return True
        self.lost_lines += count
        return False

    def _write(self, data: bytes) -> bool:
        """Write the front of what waits; keep what the disk did not take."""
        if data and not self._write_all(data):
            return False
        rest = self._waiting_bytes - len(data)
        self._waiting = [b"".join(self._waiting)[len(data) :]] if rest else []
        self._waiting_bytes = rest
        return True

    def _write_all(self, data: bytes) -> bool:
        """Write all of data, or undo what was written of it and return False."""
        began = self._bytes
        view = memoryview(data)
        try:
            while view:
                count = os.write(self._fd, view)
                self._bytes += count
                view = view[count:]
        except OSError as error:
            self.trouble = error
            try:
                os.ftruncate(self._fd, began)
                self._bytes = began
            except OSError as worse:  # the torn line stays; the next one follows it
                self.trouble = worse
            return False
        return True

    def _drop(self) -> None:
        """Forget the oldest half of the waiting lines."""
        data = b"".join(self._waiting)
        cut = data.find(b"\n", len(data) // 2) + 1 or len(data)
        self.lost_lines += data.count(b"\n", 0, cut)
        self._waiting = [data[cut:]] if cut < len(data) else []
        self._waiting_bytes = len(data) - cut

    def _rotate(self) -> bool:
        finished = self._finished_name(b".u")
        try:
            os.rename(self._current, finished)
        except OSError as error:
            self.trouble = error
            return False
        fd, self._fd = self._fd, -1
        self._aside(lambda: _make_safe(fd, finished))
        try:
            self._remove_oldest()
            self._open()
        except OSError as error:
            self.trouble = error
            return False
        return True

    def _finished_name(self, end: bytes) -> str:
        name = label(self._clock())
        if name <= self._last_label:  # a clock that stands or goes back
            name = b"@%024x" % (int(self._last_label[1:], 16) + 1)
        self._last_label = name
        return os.path.join(self.path, (name + end).decode("ascii"))

    def _remove_oldest(self) -> None:
        names = sorted(name for name in os.listdir(self.path) if name.startswith("@"))
        for name in names[: max(0, len(names) - self._files)]:
            try:
                os.unlink(os.path.join(self.path, name))
            except FileNotFoundError:
                continue  # it was just renamed from .u to .s: the next rotation sees it

    def _settle_old(self) -> None:
        """Finish a `current` that was not closed safely, as multilog does at its start."""
        names = [name for name in os.listdir(self.path) if name.startswith("@")]
        self._last_label = max(names, default="")[:25].encode("ascii", "replace")
        try:
            status = os.lstat(self._current)
        except FileNotFoundError:
            return
        if status.st_size and not status.st_mode & 0o100:
            os.rename(self._current, self._finished_name(b".u"))
            self._remove_oldest()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._current, flags, OPEN_MODE)
        os.fchmod(self._fd, OPEN_MODE)
        self._bytes = os.fstat(self._fd).st_size

    def _reopen(self) -> bool:
        try:
            self._open()
        except OSError as error:
            self.trouble = error
            return False
        return True


def _make_directory(path: str) -> None:
    """Make a log's directory with its parent's mode: there it is said who may read the logs."""
    parent = os.path.dirname(path)
    os.makedirs(parent, 0o700, exist_ok=True)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    os.chmod(path, os.stat(parent).st_mode & 0o7777)


def _lock(path: str) -> BinaryIO:
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, LOCK_MODE), "wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise LogBusyError(f"{path}: another process writes to this log") from error
    return file


def _fitting(data: bytes, room: int) -> bytes:
    """Return the lines that fit into room bytes, at least one."""
    cut = data.rfind(b"\n", 0, max(room, 0)) + 1
    if not cut:
        cut = data.find(b"\n") + 1 or len(data)
    return data[:cut]


def _make_safe(fd: int, finished: str) -> None:
    """Sync a finished file and say so in its mode and name."""
    try:
        os.fsync(fd)
        os.fchmod(fd, SAFE_MODE)
        os.rename(finished, finished[:-2] + ".s")
    except OSError:
        return  # the name keeps its .u: unfinished is what it is
    finally:
        os.close(fd)
