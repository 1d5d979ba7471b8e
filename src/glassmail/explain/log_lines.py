"""Lines of the text logs in the order of time: the last ones, those of a span, those to come."""

import heapq
import os
from collections.abc import Iterable, Iterator, Sequence

from glassmail.core.formats.tai64n import label, parse
from glassmail.events.line_filter import Line
from glassmail.events.stamps import read_local
from glassmail.settings.place import Place
from glassmail.store import multilog_files


def last(place: Place, names: Sequence[str], count: int) -> list[Line]:
    """Return the last lines of several logs together, oldest first; raises OSError."""
    found = [
        list(_read(multilog_files.last_lines(os.path.join(place.log, name), count), name))
        for name in names
    ]
    merged = list(heapq.merge(*found, key=_time))
    return merged[-count:] if count else []


def between(place: Place, names: Sequence[str], since: int, until: int) -> Iterator[Line]:
    """Yield the lines of a span of time, oldest first; raises OSError.

    A line without a stamp has the time of the one before.
    """
    sources = [
        _read(multilog_files.lines(os.path.join(place.log, name), label(since)), name)
        for name in names
    ]
    for line in heapq.merge(*sources, key=_time):
        if since <= line.at <= until:
            yield line


class Following:
    """Lines that are appended from now on, across rotations."""

    def __init__(self, place: Place, names: Sequence[str]) -> None:
        """Begin at the ends of the logs; raises OSError."""
        self._logs = [
            (name, multilog_files.Follower(os.path.join(place.log, name))) for name in names
        ]

    def read(self) -> list[Line]:
        """Return what came since the last call, in the order of time; raises OSError."""
        found = [list(_read(follower.read(), name)) for name, follower in self._logs]
        return list(heapq.merge(*found, key=_time))


def _read(lines: Iterable[bytes], name: str) -> Iterator[Line]:
    at = 0
    for raw in lines:
        stamped = parse(raw) or read_local(raw)
        if stamped is None:
            yield Line(at, name, raw, raw)
        else:
            at = stamped[0]
            yield Line(at, name, stamped[1][1:], raw)


def _time(line: Line) -> int:
    return line.at
