"""Reading the queue's tables: messages, recipients, what waits.

Used on the queue process's own connection, and on the database of a server that is stopped.

Always:
    - Texts and times are read as one type each: a damaged row must not end the queue.
    - Nothing here changes anything.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast
from urllib.parse import quote

import apsw

from glassmail.store.queue.rows import Stored, Waiting, WaitingRow
from glassmail.store.queue.schema import BUSY_TIMEOUT_MS, WAITING, create_tables


def _typed(table: str, columns: str, kind: str) -> str:
    """Read columns as one type: a damaged row that holds another must not end the queue."""
    return ",".join(f"CAST({table}.{column} AS {kind})" for column in columns.split())


_HEAD = ",".join((
    "m.id", _typed("m", "body born size", "INTEGER"), _typed("m", "sender", "BLOB"),
    _typed("m", "uid code part", "INTEGER"), _typed("m", "kind", "TEXT"),
    _typed("m", "origin due_local due_remote", "INTEGER"), _typed("m", "head", "BLOB"),
))  # fmt: skip
_STORED = (
    f"SELECT {_HEAD},{_typed('b', 'data', 'BLOB')},{_typed('b', 'file', 'TEXT')}"  # noqa: S608
    " FROM message m JOIN body b ON b.id=m.body WHERE m.id=?"
)
_PAGE = (
    f"SELECT {_HEAD},NULL,CASE held WHEN 1 THEN 'held' ELSE NULL END"  # noqa: S608
    " FROM message m WHERE m.id>? ORDER BY m.id LIMIT ?"
)
_WAITING = (
    f"SELECT number,{_typed('r', 'original address', 'BLOB')} FROM recipient r"  # noqa: S608
    " WHERE message=? AND channel=? AND state=? ORDER BY number"
)
_WAITING_PAGE = (
    f"SELECT m.id,{_typed('m', 'born', 'INTEGER')},{_typed('m', 'kind', 'TEXT')},"  # noqa: S608
    f"{_typed('m', 'sender', 'BLOB')},{_typed('m', 'held', 'INTEGER')},r.channel,"
    f"{_typed('r', 'address text', 'BLOB')},"
    "CAST(CASE r.channel WHEN 0 THEN m.due_local ELSE m.due_remote END AS INTEGER)"
    " FROM message m JOIN recipient r ON r.message=m.id"
    " WHERE m.id>? AND m.id<=? AND r.state=0 ORDER BY m.id,r.number"
)
_RECIPIENTS = (
    f"SELECT number,channel,state,{_typed('r', 'original address text', 'BLOB')}"  # noqa: S608
    " FROM recipient r WHERE message=? ORDER BY number"
)


class QueueReading:
    """The questions asked of the tables."""

    def __init__(self, db: apsw.Connection) -> None:
        """Read from a database that is open."""
        self._db = db

    def load(self, message: int) -> Stored | None:
        """Read a message back, body included when it is in the row."""
        row = self._db.execute(_STORED, (message,)).fetchone()
        return None if row is None else Stored(*row)

    def waiting(self, message: int, channel: int) -> list[Waiting]:
        """Recipients of a message that wait on a channel."""
        rows = self._db.execute(_WAITING, (message, channel, WAITING))
        return [Waiting(*row) for row in rows]

    def failed(self, message: int) -> Iterator[tuple[bytes, int, bytes]]:
        """Yield failed recipients for the bounce, in order: (rewritten address, channel, text)."""
        rows = self._db.execute(
            "SELECT address,channel,text FROM recipient WHERE message=? AND state=2"
            " ORDER BY number",
            (message,),
        )
        for row in rows:
            yield bytes(row[0]), int(row[1]), bytes(row[2])

    def count_messages(self) -> int:
        """How many messages there are."""
        row = self._db.execute("SELECT count(*) FROM message").fetchone()
        assert row is not None
        return int(row[0])

    def files(self) -> dict[str, int]:
        """Names and sizes of all body files that rows refer to."""
        rows = self._db.execute("SELECT file,size FROM body WHERE file NOT NULL")
        return {str(row[0]): int(row[1]) for row in rows}

    def page(self, after: int, limit: int) -> list[Stored]:
        """Messages after a number, without bodies."""
        return [Stored(*row) for row in self._db.execute(_PAGE, (after, limit))]

    def waiting_page(self, after: int, limit: int) -> tuple[list[WaitingRow], int]:
        """Recipients that wait, of `limit` messages after a number; and where to go on, or 0."""
        last = self._db.execute(
            "SELECT id FROM message WHERE id>? ORDER BY id LIMIT 2 OFFSET ?", (after, limit - 1)
        ).fetchall()
        until = cast("int", last[0][0]) if len(last) == 2 else 0
        rows = self._db.execute(_WAITING_PAGE, (after, until or 2**63 - 1))
        return [WaitingRow(*row) for row in rows], until

    def recipients(self, message: int) -> list[tuple[int, int, int, bytes, bytes, bytes]]:
        """All recipients of a message: (number, channel, state, original, address, text)."""
        return [tuple(row) for row in self._db.execute(_RECIPIENTS, (message,))]

    def is_held(self, message: int) -> bool:
        """Tell whether a message is held back."""
        row = self._db.execute("SELECT held FROM message WHERE id=?", (message,)).fetchone()
        return row is not None and bool(row[0])


@contextmanager
def opened(path: str) -> Iterator[QueueReading]:
    """Read the database of a stopped server; raises apsw.Error.

    A server that starts meanwhile waits until the context ends: ask little at a time. Call it
    with the rights of the file's owner, to whom what SQLite makes beside the file has to belong.
    """
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    name = f"file:{quote(path)}?mode=ro"
    if not os.access(os.path.dirname(path), os.W_OK) and not _has_wal(path):
        name += "&immutable=1"  # a file system that is read-only: nothing can be made beside it
    db = apsw.Connection(name, flags=flags)
    try:
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        db.execute("PRAGMA trusted_schema=OFF")
        yield QueueReading(db)
    finally:
        db.close()


def _has_wal(path: str) -> bool:
    try:
        return os.stat(path + "-wal").st_size > 0
    except FileNotFoundError:
        return False


@contextmanager
def nothing() -> Iterator[QueueReading]:
    """Read the queue of a site whose server never ran."""
    db = apsw.Connection(":memory:")
    try:
        create_tables(db)
        yield QueueReading(db)
    finally:
        db.close()
