"""Write one day's file: records gathered in memory, committed together, indexed in segments."""

import time
from collections.abc import Sequence
from typing import NamedTuple

import apsw

from glassmail.events.codec import AnyEvent
from glassmail.events.smtpd import Refused, SessionEnded
from glassmail.store.history import schema
from glassmail.store.history.keys import OFFSET_MASK, SEGMENT_RECORDS_MAX, KeyMaker, entry, pages
from glassmail.store.history.schema import HistoryError, open_for_writing
from glassmail.store.history.visits import Visits

AT_MAX = 2**63 - 1
RECORD_BYTES = 65_536  # events gathered for one record
SEGMENT_ENTRIES = 131_072  # entries kept in memory before they become a segment: 1 MB of file


class Position(NamedTuple):
    """How far the queue's facts are held: identity of the queue store, last row number."""

    store: int
    last: int


class Tail(NamedTuple):
    """Entries that are not in a segment yet; `first` is the record that offsets count from."""

    first: int
    entries: list[int]


class DayFile:
    """The file of one day, open for writing."""

    def __init__(self, path: str, now: int, *, continues: bool) -> None:
        """Open or make the file; raises HistoryError."""
        self.path = path
        self.used_at = now
        self._db = open_for_writing(path)
        self._keys = KeyMaker()
        self._batches: list[bytes] = []  # of the record that is being gathered
        self._record_keys: set[int] = set()
        self._record_bytes = 0
        self._began = self._ended = 0
        self._records: list[tuple[int, int, int, bytes]] = []
        self._gaps: list[tuple[int, str]] = []
        self._visits = Visits()
        self._entries: list[int] = []
        self._entries_kept = 0
        self._next = self._next_kept = self._first = self._segment = self._run = 1
        self._run_row = (now, int(continues))
        self._is_due = True  # the first commit writes the run
        try:
            self._load()
        except apsw.Error as error:
            self._db.close()
            raise HistoryError(f"{path}: {error}", is_damaged=_is_damage(error)) from error
        except HistoryError as error:
            self._db.close()
            raise HistoryError(f"{path}: {error}", is_damaged=True) from error

    @property
    def is_due(self) -> bool:
        """Tell whether anything waits for a commit."""
        return self._is_due

    @property
    def tail(self) -> Tail:
        """A copy of the committed entries that no segment holds."""
        return Tail(self._first, self._entries[: self._entries_kept])

    def add(self, data: bytes, events: Sequence[AnyEvent]) -> None:
        """Add an encoded batch and the events it holds."""
        add = self._keys.add
        keys = self._record_keys
        began, ended = (self._began, self._ended) if self._batches else (AT_MAX, 0)
        for event in events:
            add(event, keys)
            if type(event) is SessionEnded or type(event) is Refused:
                self._visits.add(event)
            at = event.at
            ended = max(ended, at)
            began = min(began, at)
        # SQLite has 63 bits: a moment beyond them is a damaged event, kept as it is in its record.
        self._began, self._ended = max(began, 0), min(ended, AT_MAX)
        self._batches.append(data)
        self._record_bytes += len(data)
        self._is_due = True
        if self._record_bytes >= RECORD_BYTES:
            self._seal()

    def add_gap(self, at: int, text: str) -> None:
        """Note that events are missing."""
        self._gaps.append((at, text))
        self._is_due = True

    def commit(self, now: int, position: Position | None, *, ends: bool = False) -> None:
        """Make everything durable; raises HistoryError, then what was added is forgotten.

        Args:
            now: nanoseconds since 1970.
            position: how far the queue's facts are held with this commit.
            ends: whether the log process stops with it.
        """
        self._seal()
        is_segment = len(self._entries) >= SEGMENT_ENTRIES or (
            self._next - self._first >= SEGMENT_RECORDS_MAX // 2
        )
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._write(now, position, ends=ends)
            if is_segment or (ends and self._entries):
                self._write_segment()
            self._db.execute("COMMIT")
        except apsw.Error as error:
            self._undo()
            raise HistoryError(f"{self.path}: {error}") from error
        self._records.clear()
        self._gaps.clear()
        self._visits.clear()
        self._is_due = False
        self._next_kept = self._next
        if is_segment or (ends and self._entries):
            self._entries = []
            self._first = self._next
            self._segment += 1
        self._entries_kept = len(self._entries)

    def forget(self) -> None:
        """Drop what was added since the last commit."""
        self._forget_record()
        self._gaps.clear()
        self._visits.clear()
        self._records.clear()
        self._next = self._next_kept
        limit = self._next - self._first
        self._entries = [number for number in self._entries if number & OFFSET_MASK < limit]
        self._entries_kept = len(self._entries)

    def close(self) -> None:
        """Close the file, so that a reader needs no right to write beside it.

        A file left in WAL mode makes every reader create its -shm file.
        """
        try:
            self._db.execute("PRAGMA journal_mode=DELETE").fetchall()
        except apsw.BusyError:
            pass  # somebody reads it now: it stays in WAL mode, which is as durable
        finally:
            self._db.close()

    def _load(self) -> None:
        db = self._db
        self._next = self._next_kept = 1 + (db.execute("SELECT max(id) FROM record").get or 0)
        newest = "SELECT coalesce(max(id),0), coalesce(max(last),0) FROM segment"
        segment, last = db.execute(newest).get
        self._segment = segment + 1
        self._first = last + 1
        self._run = 1 + (db.execute("SELECT max(id) FROM run").get or 0)
        for number, data in db.execute("SELECT id,data FROM record WHERE id>?", (last,)):
            keys: set[int] = set()
            for event in schema.unpack(data):
                self._keys.add(event, keys)
            self._entries += [entry(key, number - self._first) for key in keys]
        self._entries_kept = len(self._entries)

    def _seal(self) -> None:
        """End the record that is being gathered."""
        if not self._batches:
            return
        number = self._next
        self._next += 1
        self._records.append((number, self._began, self._ended, schema.pack(self._batches)))
        offset = number - self._first
        self._entries += [entry(key, offset) for key in self._record_keys]
        self._forget_record()

    def _forget_record(self) -> None:
        self._batches = []
        self._record_keys.clear()
        self._record_bytes = 0
        self._began = self._ended = 0

    def _write(self, now: int, position: Position | None, *, ends: bool) -> None:
        db = self._db
        db.executemany("INSERT INTO record VALUES(?,?,?,?)", self._records)
        db.executemany("INSERT INTO gap(at,text) VALUES(?,?)", self._gaps)
        self._visits.write(db)
        began, continues = self._run_row
        db.execute(
            "INSERT OR REPLACE INTO run VALUES(?,?,?,?,?)",
            (self._run, began, now, now if ends else None, continues),
        )
        if position is not None:
            db.execute("INSERT OR REPLACE INTO fact VALUES(?,?,?)", (*position, now))

    def _write_segment(self) -> None:
        db = self._db
        self._entries.sort()
        for first, data in pages(self._entries):
            db.execute("INSERT INTO page VALUES(?,?)", (schema.page_id(self._segment, first), data))
        last = self._next - 1
        db.execute(
            "INSERT INTO segment SELECT ?,?,?,min(began),max(ended) FROM record"
            " WHERE id BETWEEN ? AND ?",
            (self._segment, self._first, last, self._first, last),
        )

    def _undo(self) -> None:
        if self._db.in_transaction:
            try:
                self._db.execute("ROLLBACK")
            except apsw.Error:
                pass  # SQLite rolled back by itself, or the next BEGIN tells
        self.forget()


def _is_damage(error: apsw.Error) -> bool:
    return isinstance(error, apsw.CorruptError | apsw.NotADBError)


def wall_clock() -> int:
    """Nanoseconds since 1970."""
    return time.time_ns()
