"""Read the history: records by key, newest first, and the time it speaks for.

Purpose:
    Serves the log process (which hands in the tails it holds in memory) and, while the server is
    down, root or the site's owner, who read the files alone.

Always:
    Files are opened read-only, when they are needed. A file that cannot be read is named, with
    the reason, and the others are searched.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping

import apsw

from glassmail.core.model.system_errors import words_of
from glassmail.events.case import Coverage, Near, NearQuery, Visit
from glassmail.events.codec import AnyEvent
from glassmail.store.history import days, schema
from glassmail.store.history.day import Tail
from glassmail.store.history.keys import (
    HASH_BITS,
    KeyMaker,
    entry,
    offsets_among,
    offsets_in_page,
)
from glassmail.store.history.schema import HistoryError
from glassmail.store.history.visits import packed, totals, visits_of

CACHED_RECORDS_MAX = 256
AT_ONCE_MAX = 500  # records of a time that is asked about
GAP_NS = 3_000_000_000  # commits come every second: a shorter pause is no gap
GAPS_MAX = 50


class Archive:
    """All days, open for reading."""

    def __init__(self, directory: str, tails: Mapping[int, Tail] | None = None) -> None:
        """Look which days there are; raises HistoryError when the directory cannot be read."""
        self._directory = directory
        self._given = dict(tails or {})
        self._tails: dict[int, Tail] = {}
        self._files: dict[int, apsw.Connection | None] = {}
        self._cache: OrderedDict[tuple[int, int], list[AnyEvent]] = OrderedDict()
        self.unread: dict[int, str] = {}
        try:
            self.days = days.days_in(directory)
        except FileNotFoundError:
            self.days = []
        except OSError as error:
            raise HistoryError(f"{directory}: {words_of(error)}") from error

    def records(self, day: int, key: int, since: int = 0, until: int = 0) -> list[int]:
        """Return the numbers of a day's records that a key may be in, newest first.

        Args:
            day: the file.
            key: of store.history.keys.
            since: nanoseconds since 1970; older segments are left out.
            until: the same for newer ones; 0 for no limit.
        """
        db = self._file(day)
        if db is None:
            return []
        try:
            tail = self._tail(day, db)
            found = {tail.first + offset for offset in offsets_among(tail.entries, key)}
            for segment, first in _segments(db, since, until):
                found.update(first + offset for offset in _in_segment(db, segment, key))
        except (apsw.Error, HistoryError) as error:
            self._give_up(day, error)
            return []
        return sorted(found, reverse=True)

    def records_between(self, day: int, since: int, until: int) -> list[int]:
        """Return the numbers of a day's records that hold events of a time, newest first."""
        db = self._file(day)
        if db is None:
            return []
        sql = "SELECT id FROM record WHERE ended>=? AND began<=? ORDER BY id DESC LIMIT ?"
        try:
            return [number for (number,) in db.execute(sql, (since, until, AT_ONCE_MAX))]
        except apsw.Error as error:
            self._give_up(day, error)
            return []

    def events(self, day: int, number: int) -> list[AnyEvent]:
        """Return the events of a record; nothing when it is gone or damaged."""
        cached = self._cache.get((day, number))
        if cached is not None:
            self._cache.move_to_end((day, number))
            return cached
        db = self._file(day)
        if db is None:
            return []
        try:
            data = db.execute("SELECT data FROM record WHERE id=?", (number,)).get
            events = schema.unpack(data) if data is not None else []
        except apsw.Error as error:
            self._give_up(day, error)
            return []
        except HistoryError as error:  # the others may still be read
            path = days.path_of(self._directory, day)
            self.unread[day] = f"{path}: record {number}: {error}"
            events = []
        self._cache[day, number] = events
        if len(self._cache) > CACHED_RECORDS_MAX:
            self._cache.popitem(last=False)
        return events

    def backwards(self, day: int) -> Iterator[list[AnyEvent]]:
        """The events of each record of a day, newest record first; raises HistoryError."""
        db = self._file(day)
        if db is None:
            raise HistoryError(self.unread[day])
        try:
            for (data,) in db.execute("SELECT data FROM record ORDER BY id DESC"):
                yield schema.unpack(data)
        except apsw.Error as error:
            raise HistoryError(f"{days.path_of(self._directory, day)}: {error}") from error

    def last_fact(self, day: int, store: int) -> int:
        """Row number of the last fact of a queue store that a day's file holds, 0 for none."""
        db = self._file(day)
        if db is None:
            raise HistoryError(self.unread[day])
        return int(db.execute("SELECT last FROM fact WHERE store=?", (store,)).get or 0)

    def coverage(self) -> Coverage:
        """Tell which time the history speaks for, and where it has holes."""
        runs: list[tuple[int, int, int, int]] = []
        losses: list[tuple[int, str]] = []
        for day in self.days:
            db = self._file(day)
            if db is None:
                continue
            try:
                sql = "SELECT began,max(seen,coalesce(ended,0)),continues,ended IS NULL FROM run"
                runs += db.execute(sql)
                losses += db.execute("SELECT at,text FROM gap ORDER BY id DESC LIMIT 20")
            except apsw.Error as error:
                self._give_up(day, error)
        if not runs:
            return Coverage(0, 0)
        runs.sort()
        first = min(runs[0][0], self._oldest_record() or runs[0][0])
        gaps = []
        end, is_cut = runs[0][1], False
        for began, ended, continues, is_open in runs:
            # A run without an end was killed: what it had not committed is lost, however soon
            # the next one began.
            if (began - end > GAP_NS or is_cut) and not continues:
                gaps.append((end, max(began, end)))
            is_cut = bool(is_open) if ended >= end else is_cut
            end = max(end, ended)
        return Coverage(first, end, tuple(gaps[-GAPS_MAX:]), tuple(sorted(losses)[-GAPS_MAX:]))

    def _oldest_record(self) -> int:
        """Facts come late when the log was away: they may be older than its first run."""
        for day in self.days:
            db = self._file(day)
            if db is not None:
                began = db.execute("SELECT began FROM record ORDER BY id LIMIT 1").get
                return int(began or 0)
        return 0

    def visits(self, query: NearQuery) -> tuple[Near, list[Visit]]:
        """Tell who connected, summed up by client, newest first."""
        ends = [network.split(" ", 1) for network in query.networks if " " in network]
        ranges = [(packed(low), packed(high)) for low, high in ends]
        found: dict[str, Visit] = {}
        clients = sessions = 0
        for day in self.days:
            if query.since and day < days.day_of(query.since):
                continue
            if query.until and day > days.day_of(query.until):
                continue
            db = self._file(day)
            if db is None:
                continue
            try:
                counted = totals(db)
                for visit in visits_of(db, ranges, query.names):
                    found[visit.client] = summed(found.get(visit.client), visit)
            except apsw.Error:
                continue  # written before visits were counted
            clients, sessions = clients + counted[0], sessions + counted[1]
        newest = sorted(found.values(), key=lambda visit: visit.last, reverse=True)
        return Near(clients, sessions, self.coverage()), newest

    def close(self) -> None:
        """Close the files."""
        for db in self._files.values():
            if db is not None:
                db.close()
        self._files.clear()

    def _file(self, day: int) -> apsw.Connection | None:
        if day not in self._files:
            try:
                self._files[day] = _open(days.path_of(self._directory, day))
            except HistoryError as error:
                self._give_up(day, error)
        return self._files.get(day)

    def _give_up(self, day: int, error: Exception) -> None:
        path = days.path_of(self._directory, day)
        text = str(error)
        self.unread[day] = text if path in text else f"{path}: {text}"
        db = self._files.get(day)
        if db is not None:
            db.close()
        self._files[day] = None

    def _tail(self, day: int, db: apsw.Connection) -> Tail:
        tail = self._tails.get(day)
        if tail is None:
            given = self._given.pop(day, None)
            tail = _make_tail(db) if given is None else Tail(given.first, sorted(given.entries))
            self._tails[day] = tail
        return tail


def summed(before: Visit | None, visit: Visit) -> Visit:
    """Add a client's visits to those before; a name that is known stays."""
    if before is None:
        return visit
    return Visit(
        visit.client, visit.name or before.name, visit.helo or before.helo,
        min(before.first, visit.first), max(before.last, visit.last),
        before.sessions + visit.sessions, before.accepted + visit.accepted,
        before.refused + visit.refused, before.broken + visit.broken,
    )  # fmt: skip


def _open(path: str) -> apsw.Connection:
    """Open a file read-only, whatever state its writer left it in; raises HistoryError."""
    try:
        return _open_as(f"file:{_quoted(path)}?mode=ro")
    except apsw.Error as error:
        # In WAL mode a reader needs -shm beside the file. Without the right to make it, a file
        # whose WAL was emptied by a clean stop can be read as it stands.
        if _has_wal(path):
            raise HistoryError(f"{path}: {error}") from error
    try:
        return _open_as(f"file:{_quoted(path)}?mode=ro&immutable=1")
    except apsw.Error as error:
        raise HistoryError(f"{path}: {error}") from error


def _open_as(name: str) -> apsw.Connection:
    db = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        db.set_busy_timeout(2_000)
        db.execute("PRAGMA trusted_schema=OFF; PRAGMA cache_size=-4000")
        db.execute("SELECT count(*) FROM run").fetchall()
    except apsw.Error:
        db.close()
        raise
    return db


def _has_wal(path: str) -> bool:
    try:
        return os.stat(path + "-wal").st_size > 0
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _segments(db: apsw.Connection, since: int, until: int) -> Iterator[tuple[int, int]]:
    sql = "SELECT id,first FROM segment WHERE ended>=? AND began<=? ORDER BY id DESC"
    yield from db.execute(sql, (since, until or 2**63 - 1))


def _in_segment(db: apsw.Connection, segment: int, key: int) -> list[int]:
    """Look a key up in one segment: the page that begins at or before it, and the one before.

    The page before is needed only when a page begins with the very key (keys.pages).
    """
    low, wanted = segment << HASH_BITS, schema.page_id(segment, key)
    sql = "SELECT id,entries FROM page WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 2"
    offsets: list[int] = []
    for number, data in db.execute(sql, (low, wanted)):
        offsets += offsets_in_page(data, key)
        if number != wanted:
            break
    return offsets


def _make_tail(db: apsw.Connection) -> Tail:
    """Make the entries of the records that no segment holds."""
    last = db.execute("SELECT max(last) FROM segment").get or 0
    keys = KeyMaker()
    entries: list[int] = []
    for number, data in db.execute("SELECT id,data FROM record WHERE id>?", (last,)):
        found: set[int] = set()
        for event in schema.unpack(data):
            keys.add(event, found)
        entries += [entry(key, number - last - 1) for key in found]
    return Tail(last + 1, sorted(entries))
