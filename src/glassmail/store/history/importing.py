"""Make a history of logs that another server wrote: multilog directories, files, gzip or plain.

Purpose:
    `build` reads the logs of qmail-send and of the SMTP side and writes day files into a directory
    of their own, so that `why` can be asked about them: their message numbers are another
    server's, and do not mix with ours.

Always:
    - The logs are only read. The directory is made anew beside the one it replaces, and takes its
      place when it is whole.
    - Lines without a time, or that nobody here knows, are counted and told.
"""

import errno
import gzip
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, NamedTuple

from glassmail.events import codec
from glassmail.events.event import Event
from glassmail.events.line_times import take_time
from glassmail.events.send_lines import read as read_send
from glassmail.events.send_story import SendLog
from glassmail.events.smtpd_lines import read as read_smtpd
from glassmail.events.smtpd_story import SmtpdLog
from glassmail.store import multilog_files
from glassmail.store.history.day import AT_MAX, DayFile
from glassmail.store.history.days import day_of, path_of
from glassmail.store.history.schema import HistoryError

BATCH_EVENTS = 200
COMMIT_EVENTS = 100_000
LINE_BYTES_MAX = 20_000  # qmail-send keeps reports of 10,000 bytes
_DEPTH_MAX = 3
_GZIP = b"\x1f\x8b"


class Imported(NamedTuple):
    """What an import read.

    Attributes:
        lines: all of them; known: those that said something; untimed: known ones without a time.
        events: that were made.
        days: that were written.
        first, last: nanoseconds since 1970 of the events, 0 for none.
        left_out: events of days that are kept no longer.
    """

    lines: int
    known: int
    untimed: int
    events: int
    days: int
    first: int
    last: int
    left_out: int


def logs_in(path: str, depth: int = 0) -> Iterator[str]:
    """Yield the logs at a path: a file, a multilog directory, or those below it; raises OSError."""
    if not os.path.isdir(path):
        if os.path.exists(path) and not os.path.isfile(path):
            # It is read twice, which a pipe cannot be; and a device may never end.
            raise OSError(errno.EINVAL, "neither a file nor a directory", path)
        yield path
        return
    names = sorted(os.listdir(path))
    if "current" in names:
        yield path
        return
    for name in names:
        below = os.path.join(path, name)
        if name.startswith("."):
            continue
        if os.path.isdir(below):
            if depth < _DEPTH_MAX:
                yield from logs_in(below, depth + 1)
        elif depth == 0 and os.path.isfile(below):
            yield below


def build(
    directory: str,
    sources: Sequence[str],
    now: int,
    first_day: int = 0,
    tell: Callable[[str], None] = lambda _text: None,
) -> Imported:
    """Read logs into a directory of day files; raises OSError or HistoryError.

    Args:
        directory: is replaced.
        sources: files and directories.
        now: nanoseconds since 1970, for times without a year.
        first_day: events of days before it are left out.
        tell: told of each log as it is read.
    """
    fresh = f"{directory}.fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    os.makedirs(fresh, 0o700)
    writer = _Writer(fresh, first_day)
    lines = known = untimed = 0
    try:
        send, smtpd = SendLog(), SmtpdLog()
        for log in _in_order([log for source in sources for log in logs_in(source)], now):
            tell(log)
            for raw in _lines(log):
                lines += 1
                timed = take_time(raw, now)
                if timed.at:
                    before = send.lines
                    events = send.feed(timed.at, timed.text)
                    is_send = send.lines > before
                    writer.add(events if is_send else smtpd.feed(timed.at, timed.text))
                else:
                    untimed += bool(read_send(timed.text) or read_smtpd(timed.text))
        writer.add([*send.finish(), *smtpd.finish()])
        known = send.lines + smtpd.lines
        writer.close()
    except BaseException:
        writer.abandon()
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    shutil.rmtree(directory, ignore_errors=True)
    os.rename(fresh, directory)
    return Imported(lines, known, untimed, writer.events, writer.days, writer.first, writer.last,
                    writer.left_out)  # fmt: skip


def _in_order(logs: list[str], now: int) -> list[str]:
    """Order logs by their first time: the files of one log, given singly, follow each other."""
    found = []
    for log in dict.fromkeys(logs):
        first = next(_lines(log), b"")
        found.append((take_time(first, now).at, log))
    return [log for _at, log in sorted(found)]


def _lines(log: str) -> Iterator[bytes]:
    if os.path.isdir(log):
        for path in multilog_files.files(log):
            if os.path.isfile(path):
                yield from _of_file(path)
        return
    yield from _of_file(log)


def _of_file(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        is_gzip = file.read(2) == _GZIP
        file.seek(0)
        if not is_gzip:
            yield from _split(file)
            return
        try:
            with gzip.open(file) as unpacked:
                yield from _split(unpacked)
        except (zlib.error, gzip.BadGzipFile, EOFError) as error:
            raise HistoryError(f"{path}: damaged: {error}") from error


def _split(file: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    """Yield lines; of one longer than LINE_BYTES_MAX its beginning, so that memory is bounded."""
    is_begun = False
    while part := file.readline(LINE_BYTES_MAX):
        if not is_begun:
            yield part.rstrip(b"\n")
        is_begun = not part.endswith(b"\n")


class _Writer:
    """Events into the files of their days."""

    def __init__(self, directory: str, first_day: int) -> None:
        self._directory = directory
        self._first_day = first_day
        self._files: dict[int, DayFile] = {}
        self._batches: dict[int, list[Event]] = {}
        self._ends: dict[int, tuple[int, int]] = {}
        self._due = 0
        self.events = self.left_out = self.first = self.last = 0

    @property
    def days(self) -> int:
        return len(self._ends)

    def add(self, events: Sequence[Event]) -> None:
        for event in events:
            day = day_of(event.at)
            if not 0 < event.at < AT_MAX or day < self._first_day:
                self.left_out += 1
                continue
            batch = self._batches.setdefault(day, [])
            batch.append(event)
            first, last = self._ends.get(day, (event.at, event.at))
            self._ends[day] = min(first, event.at), max(last, event.at)
            if len(batch) >= BATCH_EVENTS:
                self._flush(day)

    def _flush(self, day: int) -> None:
        batch = self._batches.pop(day, [])
        if not batch:
            return
        file = self._files.get(day)
        if file is None:
            path = path_of(self._directory, day)
            file = self._files[day] = DayFile(path, self._ends[day][0], continues=True)
        file.add(codec.encode(batch), batch)  # type: ignore[arg-type]
        self.events += len(batch)
        self._due += len(batch)
        if self._due >= COMMIT_EVENTS:
            self._due = 0
            for day_due, due in self._files.items():
                due.commit(self._ends[day_due][1], None)

    def close(self) -> None:
        for day in list(self._batches):
            self._flush(day)
        for day, file in self._files.items():
            file.commit(self._ends[day][1], None, ends=True)
            file.close()
        self._files.clear()
        if self._ends:
            self.first = min(first for first, _last in self._ends.values())
            self.last = max(last for _first, last in self._ends.values())

    def abandon(self) -> None:
        for file in self._files.values():
            file.close()
