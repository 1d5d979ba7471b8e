"""A log directory as multilog keeps it: `current`, finished files `@label.s` and `.u`, a lock.

Purpose:
    Append lines, rotate at a size, keep a number of files. Readers of multilog's directories find
    what they know (multilog.c): `current` has mode 0644 while it is written and 0744 when it was
    closed safely; a finished file is `.s` when all of it was written and synced, `.u` otherwise.

    With a processor the finished file goes through a program first (multilog_processor.py).

Always:
    - Lines are never split between files, and nothing that was written is changed.
    - A full disk loses no line at once: lines wait in memory (waiting_lines.py), writing is tried
      again at every flush, and what had to be dropped is counted and told in the log.
    - The sync of a finished file is left to `aside`, since it may take as long as the disk likes.

Different from multilog: a finished file carries `.u` for the moments until it is synced. While a
processor is at work the next file may grow, to OVERDUE sizes; beyond that what the processor has
not done is kept as it is (`.u`), since neither the log nor the disk waits for it.
"""

import fcntl
import os
import re
import time
from collections.abc import Callable
from typing import BinaryIO

from glassmail.core.formats.tai64n import label
from glassmail.store.multilog_processor import SAFE_MODE, Processor, complete, is_complete
from glassmail.store.waiting_lines import WaitingLines

NEWLINE_WITHIN = 2_000  # multilog: rotate at a newline within so many bytes of the size
LOCK_MODE = 0o600
OPEN_MODE = 0o644
OVERDUE = 8  # sizes that a file may have while the processor works on the one before


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
        processor: bytes = b"",
    ) -> None:
        """Lock the directory and open `current`.

        Args:
            path: made when missing.
            size: bytes after which `current` is finished.
            files: how many files are kept, `current` included.
            aside: runs work that may wait for the disk.
            clock: nanoseconds since 1970, for the labels of finished files.
            processor: a program that finished files go through, empty for none.

        Raises:
            LogBusyError: another process holds the lock.
            OSError: the directory cannot be used.
        """
        self.path = path
        self.trouble: OSError | None = None
        self.processor_troubles: list[str] = []  # whoever reads them takes them out
        self._size = size
        self._files = files
        self._aside = aside
        self._clock = clock
        self._waiting = WaitingLines()
        self._last_label = b""
        self._current = os.path.join(path, "current")
        self._fd = -1
        self._bytes = 0
        _make_directory(path)
        self._lock = _lock(os.path.join(path, "lock"))
        self._processor: Processor | None = None
        try:
            self._settle_old()
            self._open()
            if processor:
                tell = self.processor_troubles.append
                self._processor = Processor(path, processor, tell, self._remove_oldest)
            self._settle_previous()
        except OSError:
            self._lock.close()
            raise

    def take_over(self, waiting: WaitingLines) -> None:
        """Go on with lines that waited for the directory; before anything is written."""
        self._waiting = waiting

    def write(self, lines: list[bytes]) -> None:
        """Add chunks of whole lines; they reach the file with the next flush."""
        self._waiting.add(lines)

    def flush(self) -> bool:
        """Write what waits, one write per file; False when the disk did not take all of it."""
        if self._fd < 0 and not self._reopen():
            return False
        while data := self._waiting.joined():
            size = self._size_now()
            if len(data) >= size - self._bytes:
                data = _fitting(data, size - self._bytes)
            if not self._write(data):
                return False
            if self._bytes >= size - NEWLINE_WITHIN and not self._rotate():
                return False
        if self._waiting.lost and not self._tell_lost():
            return False
        self.trouble = None
        return True

    def close(self) -> None:
        """Write what waits and close safely: `current` gets mode 0744."""
        if self._processor is not None:
            self._processor.stop()
            self._processor = None
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
        text = b"%b alert: %d lines of this log were lost: the disk took none\n"
        if not self._write_all(text % (label(self._clock()), self._waiting.lost)):
            return False
        self._waiting.lost = 0
        return True

    def _write(self, data: bytes) -> bool:
        """Write the front of what waits; keep what the disk did not take."""
        if data and not self._write_all(data):
            return False
        self._waiting.take(len(data))
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

    def _size_now(self) -> int:
        """The size at which `current` is finished."""
        if self._processor is not None and self._processor.is_busy:
            return self._size * OVERDUE
        return self._size

    def _rotate(self) -> bool:
        processor = self._processor
        is_processed = processor is not None and not processor.is_busy
        finished = self._finished_name(b".s" if is_processed else b".u")
        moved = self._previous if is_processed else finished
        try:
            os.rename(self._current, moved)
        except OSError as error:
            self.trouble = error
            return False
        fd, self._fd = self._fd, -1
        if processor is not None and is_processed:
            processor.is_busy = True
            self._aside(lambda: _hand_over(fd, processor, finished))
        else:
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
        names = sorted(filter(_is_finished, os.listdir(self.path)))
        for name in names[: max(0, len(names) + 1 - self._files)]:
            try:
                os.unlink(os.path.join(self.path, name))
            except FileNotFoundError:
                continue  # it was just renamed from .u to .s: the next rotation sees it

    def _settle_old(self) -> None:
        """Finish a `current` that was not closed safely, as multilog does at its start."""
        names = list(filter(_is_finished, os.listdir(self.path)))
        self._last_label = max(names, default="")[:25].encode("ascii", "replace")
        os.close(os.open(os.path.join(self.path, "state"), _CREATE, OPEN_MODE))
        try:
            status = os.lstat(self._current)
        except FileNotFoundError:
            return
        if status.st_size and not status.st_mode & 0o100:
            os.rename(self._current, self._finished_name(b".u"))
            self._remove_oldest()

    def _settle_previous(self) -> None:
        """Go on with what a processor had not done, as multilog does at its start."""
        if is_complete(self.path):
            complete(self.path, self._finished_name(b".s"))
        try:
            status = os.lstat(self._previous)
        except FileNotFoundError:
            return
        if self._processor is not None:
            self._processor.is_busy = True
            self._processor.begin(self._finished_name(b".s"))
            return
        is_safe = status.st_mode & 0o100
        os.rename(self._previous, self._finished_name(b".s" if is_safe else b".u"))

    @property
    def _previous(self) -> str:
        return os.path.join(self.path, "previous")

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


_CREATE = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_is_finished = re.compile(r"@[0-9a-f]{24}\.").match  # other files there are somebody else's


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


def _hand_over(fd: int, processor: Processor, finished: str) -> None:
    """Sync `previous` and start the processor on it."""
    try:
        os.fsync(fd)
        os.fchmod(fd, SAFE_MODE)
    except OSError:
        pass  # the processor reads what there is; without the mode a next start calls it unsafe
    finally:
        os.close(fd)
    processor.begin(finished)


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
