"""Write a closed day anew with large records: what came in seconds of a quiet day is packed well.

Why:
    The history is committed once a second, a record each. On a site with one message a second
    such records hold one message: they compress badly, and each has its own keys. When nothing
    can be added to a day any more, its records are gathered as on a busy site: a third of the size.

Always:
    - The new file is whole and durable before it takes the old one's place; a file that is left
      by a crash is made anew.
    - Only for days that nobody opens for writing: the caller names them (writer.settled_before).
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import apsw

from glassmail.store.history import schema
from glassmail.store.history.day import RECORD_BYTES, SEGMENT_ENTRIES
from glassmail.store.history.days import days_in, path_of
from glassmail.store.history.keys import SEGMENT_RECORDS_MAX, KeyMaker, entry, pages
from glassmail.store.history.schema import HistoryError
from glassmail.store.history.visits import TABLE as VISIT_TABLE

RECORDS_MIN = 50  # fewer are not worth it
PACKED_BYTES_MAX = 8_192  # on average: larger records are packed well already
END = ".compact"
_COPIED = ("run", "gap", "fact", "visit")


class CompactStoppedError(Exception):
    """It was told to stop; the old file stays."""


def compact_days(
    directory: str, before: int, is_stopping: Callable[[], bool] = lambda: False
) -> list[int]:
    """Compact the days before one that are worth it; raises OSError or HistoryError.

    Returns:
        The days that were written anew.
    """
    done = []
    for day in days_in(directory):
        path = path_of(directory, day)
        if day < before and is_worth_it(path):
            try:
                compact(path, is_stopping)
            except CompactStoppedError:
                break
            done.append(day)
    return done


def is_worth_it(path: str) -> bool:
    """Tell whether a day's records are many and small."""
    if os.path.exists(path + "-wal"):
        return False  # somebody reads it now, or it was not closed well: another time
    try:
        db = _open(path)
    except apsw.Error:
        return False  # damaged, or not ours: why says so when it is asked
    try:
        count, size = db.execute("SELECT count(*), coalesce(sum(length(data)),0) FROM record").get
    except apsw.Error:
        return False
    finally:
        db.close()
    return int(count) >= RECORDS_MIN and int(size) < int(count) * PACKED_BYTES_MAX


def compact(path: str, is_stopping: Callable[[], bool] = lambda: False) -> None:
    """Write a day's file anew; raises HistoryError, then the old file stays."""
    fresh = path + END
    _remove(fresh)
    try:
        _write(path, fresh, is_stopping)
        os.chmod(fresh, os.stat(path).st_mode & 0o777)
        os.replace(fresh, path)
        _sync_directory(os.path.dirname(path))
    except (apsw.Error, OSError) as error:
        raise HistoryError(f"{path}: {error}") from error
    finally:
        _remove(fresh)


def _write(path: str, fresh: str, is_stopping: Callable[[], bool]) -> None:
    source = _open(path)
    target = apsw.Connection(fresh)
    try:
        target.execute("PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=FULL")
        target.execute(f"PRAGMA application_id={schema.APPLICATION_ID}")
        target.execute(schema.TABLES + VISIT_TABLE)
        packer = _Packer(target)
        with target:
            for (data,) in source.execute("SELECT data FROM record ORDER BY id"):
                if is_stopping():
                    raise CompactStoppedError
                packer.add(data)
            packer.finish()
            for table in _COPIED:
                _copy(source, target, table)
    finally:
        target.close()
        source.close()
    descriptor = os.open(fresh, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Group(NamedTuple):
    """Batches that become one record."""

    batches: list[bytes]
    keys: set[int]
    times: list[int]


class _Packer:
    """Gathers batches into records, and keys into segments, as day.DayFile does."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._keys = KeyMaker()
        self._group = _Group([], set(), [])
        self._bytes = 0
        self._number = 0
        self._first = self._segment = 1
        self._entries: list[int] = []

    def add(self, data: bytes) -> None:
        for batch, events in schema.batches(data):
            for event in events:
                self._keys.add(event, self._group.keys)
                self._group.times.append(event.at)
            self._group.batches.append(batch)
            self._bytes += len(batch)
            if self._bytes >= RECORD_BYTES:
                self._seal()

    def finish(self) -> None:
        self._seal()
        self._end_segment()

    def _seal(self) -> None:
        group = self._group
        if not group.batches:
            return
        self._number += 1
        row = (self._number, max(0, min(group.times, default=0)),
               min(max(group.times, default=0), 2**63 - 1), schema.pack(group.batches))  # fmt: skip
        self._db.execute("INSERT INTO record VALUES(?,?,?,?)", row)
        offset = self._number - self._first
        self._entries += [entry(key, offset) for key in group.keys]
        self._group, self._bytes = _Group([], set(), []), 0
        if len(self._entries) >= SEGMENT_ENTRIES or offset >= SEGMENT_RECORDS_MAX // 2:
            self._end_segment()

    def _end_segment(self) -> None:
        if not self._entries:
            return
        self._entries.sort()
        for first, data in pages(self._entries):
            number = schema.page_id(self._segment, first)
            self._db.execute("INSERT INTO page VALUES(?,?)", (number, data))
        self._db.execute(
            "INSERT INTO segment SELECT ?,?,?,min(began),max(ended) FROM record"
            " WHERE id BETWEEN ? AND ?",
            (self._segment, self._first, self._number, self._first, self._number),
        )
        self._segment += 1
        self._first = self._number + 1
        self._entries = []


def _copy(source: apsw.Connection, target: apsw.Connection, table: str) -> None:
    names = [row[1] for row in source.execute(f"PRAGMA table_info({table})")]
    if not names:
        return  # written before that table was known
    marks = ",".join("?" * len(names))
    rows = source.execute(f"SELECT {','.join(names)} FROM {table}")  # noqa: S608 -- our own names
    target.executemany(f"INSERT INTO {table} VALUES({marks})", rows)


def _open(path: str) -> apsw.Connection:
    return apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
