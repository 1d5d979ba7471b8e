"""The queue of record: what the queue process does inside its one transaction at a time.

Purpose:
    Insert messages, settle recipients, move due times, end messages, keep facts. The caller
    opens `transaction()`, does everything that has gathered, and when the context ends without
    an exception all of it is durable.

Always:
    - Nothing here answers a client; answers follow the commit.
    - A body row is deleted with its last reference; its file is unlinked by the caller after
      the commit (`dead_files`), so that a crash leaves at worst a file nobody refers to.
    - Numbers are never used twice: AUTOINCREMENT remembers the highest.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import cast

import apsw

from glassmail.core.model import code
from glassmail.store.queue.reading import QueueReading
from glassmail.store.queue.rows import NewMessage, Settlement
from glassmail.store.queue.schema import WAL_PAGES_CHECKPOINT, open_database

_MESSAGE = (
    "INSERT INTO message(id,body,born,size,sender,uid,code,part,kind,origin,held,"
    "due_local,due_remote,head) VALUES(?,?,?,?,?,?,?,?,?,?,0,?,?,?)"
)
_RECIPIENT = "INSERT INTO recipient VALUES(?,?,?,0,?,?,x'')"
_DUE = ("due_local", "due_remote")


class QueueStore(QueueReading):
    """The database of one queue process.

    Attributes:
        is_new: nothing had ever been written to it when it was opened.
        dead_files: body files to remove after the commit.
    """

    def __init__(self, path: str) -> None:
        """Open or make it; raises schema.StoreError."""
        super().__init__(open_database(path))
        self._wal_pages = 0
        self._db.set_wal_hook(self._committed)
        self.dead_files: list[str] = []
        self.identity = int(self._value("SELECT value FROM meta WHERE key='identity'"))
        self._next_message = 1 + self._sequence("message")
        self._next_fact = 1 + self._sequence("fact")
        self.is_new = self._next_message == self._next_fact == 1
        self._next_body = 1 + int(self._value("SELECT coalesce(max(id),0) FROM body"))
        self.count = self.count_messages()

    def _sequence(self, table: str) -> int:
        return int(
            self._value("SELECT coalesce(max(seq),0) FROM sqlite_sequence WHERE name=?", (table,))
        )

    def _value(self, sql: str, values: tuple[str, ...] = ()) -> int:
        row = self._db.execute(sql, values).fetchone()
        assert row is not None
        return int(row[0])

    def _committed(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def transaction(self) -> AbstractContextManager[object]:
        """Everything done inside is durable when the context ends, or undone with an exception."""
        return cast("AbstractContextManager[object]", self._db)

    def undone(self) -> None:
        """The transaction was rolled back: forget what memory counted of it."""
        self.dead_files.clear()
        self.count = self.count_messages()

    def checkpoint_if_long(self) -> None:
        """Move the WAL into the database when it has grown; call between transactions."""
        if self._wal_pages >= WAL_PAGES_CHECKPOINT:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
            self._wal_pages = 0

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def renew_identity(self) -> None:
        """Be another store from now on; inside a transaction."""
        self.identity = int.from_bytes(os.urandom(6), "big")
        self._db.execute("UPDATE meta SET value=? WHERE key='identity'", (self.identity,))

    # --- numbers ---

    def skip_messages(self, count: int) -> None:
        """Leave message numbers out that may have been used and forgotten."""
        self._next_message += count

    def next_message(self) -> int:
        """Take the next message number."""
        self._next_message += 1
        return self._next_message - 1

    def take_codes(self, count: int, at_least: int) -> int:
        """Take `count` numbers of the trace code counter, durably; return the first.

        The counter never falls behind `at_least` (the caller's clock in milliseconds), so that
        even a site whose queue database was lost does not give a code out twice.
        """
        first = max(self._value("SELECT value FROM meta WHERE key='code'"), at_least)
        first = int(first % (code.NUMBER_MAX - count))
        self._db.execute("UPDATE meta SET value=? WHERE key='code'", (first + count,))
        return first

    # --- messages ---

    def insert(self, messages: Iterable[NewMessage]) -> None:
        """Insert new messages with their bodies, recipients and first due times (at birth)."""
        bodies, rows, recipients = [], [], []
        for new in messages:
            body = new.body
            if body:
                self._db.execute("UPDATE body SET refs=refs+1 WHERE id=?", (body,))
            else:
                body = self._next_body
                self._next_body += 1
                bodies.append((body, new.body_size, new.data, new.file))
            due: list[int | None] = [None, None]
            for number, recipient in enumerate(new.recipients):
                due[recipient.channel] = new.born
                recipients.append(
                    (new.id, number, recipient.channel, recipient.original, recipient.address)
                )
            rows.append(
                (new.id, body, new.born, new.size, new.sender, new.uid, new.code, new.part,
                 new.kind, new.origin, due[0], due[1], new.head)
            )  # fmt: skip
        if bodies:
            self._db.executemany("INSERT INTO body VALUES(?,1,?,?,?)", bodies)
        self._db.executemany(_MESSAGE, rows)
        self._db.executemany(_RECIPIENT, recipients)
        self.count += len(rows)

    def body_of(self, message: int) -> tuple[int, int, bytes] | None:
        """Return (body id, size of the body, head) of a queued message."""
        row = self._db.execute(
            "SELECT m.body,b.size,m.head FROM message m JOIN body b ON b.id=m.body WHERE m.id=?",
            (message,),
        ).fetchone()
        return None if row is None else (int(row[0]), int(row[1]), bytes(row[2]))

    def settle(self, settlements: Sequence[Settlement]) -> None:
        """Write final states of recipients."""
        self._db.executemany(
            "UPDATE recipient SET state=?,text=? WHERE message=? AND number=?",
            [(s.state, s.text, s.message, s.number) for s in settlements],
        )

    def set_due(self, channel: int, due: Sequence[tuple[int | None, int]]) -> None:
        """Set next pass times: (seconds or None, message)."""
        self._db.executemany(f"UPDATE message SET {_DUE[channel]}=? WHERE id=?", due)  # noqa: S608

    def end(self, messages: Sequence[int], *, has_forwards: bool) -> None:
        """Delete settled messages; bodies go with their last reference."""
        keys = [(number,) for number in messages]
        bodies = []
        for key in keys:
            row = self._db.execute("DELETE FROM message WHERE id=? RETURNING body", key).fetchone()
            if row is not None:
                bodies.append((row[0],))
        self.count -= len(bodies)
        self._db.executemany("DELETE FROM recipient WHERE message=?", keys)
        if has_forwards:
            self._db.executemany("DELETE FROM forward WHERE message=?", keys)
        for body in bodies:
            self._release(body)

    def _release(self, body: tuple[object]) -> None:
        row = self._db.execute(
            "DELETE FROM body WHERE id=? AND refs=1 RETURNING file",
            body,
        ).fetchone()
        if row is None:
            self._db.execute("UPDATE body SET refs=refs-1 WHERE id=?", body)
        elif row[0] is not None:
            self.dead_files.append(str(row[0]))

    # --- schedule ---

    def due(self, channel: int, now: int, limit: int) -> list[tuple[int, int]]:
        """Messages whose pass on the channel is due, earliest first: (due, message)."""
        column = _DUE[channel]
        rows = self._db.execute(
            f"SELECT {column},id FROM message WHERE {column}<=? AND {column} IS NOT NULL"  # noqa: S608
            f" AND held=0 ORDER BY {column} LIMIT ?",
            (now, limit),
        )
        return [(int(row[0]), int(row[1])) for row in rows]

    def next_due(self, channel: int, after: int) -> int | None:
        """The first due time after `after`, None when nothing waits."""
        column = _DUE[channel]
        row = self._db.execute(
            f"SELECT min({column}) FROM message WHERE {column}>? AND {column} IS NOT NULL"  # noqa: S608
            " AND held=0",
            (after,),
        ).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def all_due(self, channel: int, now: int, limit: int) -> int:
        """Make up to `limit` waiting passes due now (qmail's ALRM); return how many were moved."""
        column = _DUE[channel]
        self._db.execute(
            f"UPDATE message SET {column}=? WHERE id IN (SELECT id FROM message WHERE {column}>?"  # noqa: S608
            " AND held=0 LIMIT ?)",
            (now, now, limit),
        )
        return self._db.changes()

    # --- forwards ---

    def forward_child(self, message: int, number: int, part: int) -> int | None:
        """Number of the message that this forward already became, else None."""
        row = self._db.execute(
            "SELECT child FROM forward WHERE message=? AND number=? AND part=?",
            (message, number, part),
        ).fetchone()
        return None if row is None else int(row[0])

    def note_forward(self, message: int, number: int, part: int, child: int) -> None:
        """Remember that a forward became message `child`."""
        self._db.execute("INSERT INTO forward VALUES(?,?,?,?)", (message, number, part, child))

    # --- facts ---

    def keep_facts(self, data: bytes) -> int:
        """Keep a batch of events until the log has confirmed it; return its row number."""
        number = self._next_fact
        self._next_fact += 1
        self._db.execute("INSERT INTO fact VALUES(?,?)", (number, data))
        return number

    def trim_facts(self, last: int) -> None:
        """Forget facts that the log holds."""
        self._db.execute("DELETE FROM fact WHERE id<=?", (last,))

    def facts_after(self, number: int, limit: int) -> Iterator[tuple[int, bytes]]:
        """Facts after a row number, in order."""
        for row in self._db.execute(
            "SELECT id,data FROM fact WHERE id>? ORDER BY id LIMIT ?", (number, limit)
        ):
            yield int(row[0]), bytes(row[1])

    @property
    def last_fact(self) -> int:
        """Row number of the newest fact ever kept."""
        return self._next_fact - 1

    # --- looking ---

    def note_drop(self, name: str) -> bool:
        """Remember that a file of the drop directory was taken in; False when it was before."""
        self._db.execute("INSERT OR IGNORE INTO dropped VALUES(?)", (name,))
        return self._db.changes() > 0

    def forget_drops(self, names: Sequence[str]) -> None:
        """Forget files of the drop directory whose removal is durable."""
        self._db.executemany("DELETE FROM dropped WHERE name=?", [(name,) for name in names])

    def drops(self) -> list[str]:
        """Files of the drop directory that were taken in and may still be there."""
        return [str(row[0]) for row in self._db.execute("SELECT name FROM dropped")]

    def hold(self, message: int, *, held: bool) -> bool:
        """Hold a message back, or release it; False when there is none."""
        self._db.execute("UPDATE message SET held=? WHERE id=?", (int(held), message))
        return self._db.changes() > 0
