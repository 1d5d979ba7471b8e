"""Look through a queue database that no process uses, and mend single rows of it.

Always:
    - `look` opens it read-only.
    - Each `mend` is one durable transaction. What it takes out of the tables that is somebody's
      mail is written to a file in queue/aside before.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import apsw

_BUSY_MS = 1_000
_SHOWN_MAX = 1_000  # faults of one kind that are told


class Fault(NamedTuple):
    """Rows that do not fit together."""

    kind: str
    subject: str
    sentence: str
    remedy: str
    number: int


class Look(NamedTuple):
    """What a database holds.

    Attributes:
        identity, highest, last_fact: of the store; its last message and fact numbers ever.
        messages: how many it holds.
        files: body file -> (size, messages that have it).
        damage: what the integrity check says, empty when all is well.
    """

    identity: int
    highest: int
    last_fact: int
    messages: int
    files: dict[str, tuple[int, list[int]]]
    damage: str
    faults: list[Fault]


# kind -> (rows, sentence about row N, remedy). The rows' first column is N.
_FAULTS = {
    "message_without_recipients": (
        "SELECT id FROM message m WHERE NOT EXISTS(SELECT 1 FROM recipient WHERE message=m.id)",
        "message {}", "has no recipients", "write it to queue/aside and remove its rows",
    ),
    "message_without_body": (
        "SELECT id FROM message m WHERE held=0 AND NOT EXISTS(SELECT 1 FROM body WHERE id=m.body)",
        "message {}", "has no body", "hold it",
    ),
    "message_not_due": (
        ("SELECT id FROM message m WHERE"
        " due_local IS NULL AND EXISTS(SELECT 1 FROM recipient WHERE message=m.id AND channel=0"
        " AND state=0) OR"
        " due_remote IS NULL AND EXISTS(SELECT 1 FROM recipient WHERE message=m.id AND channel=1"
        " AND state=0)"),
        "message {}", "waits for a delivery that is not planned", "let it be tried now",
    ),
    "body_short": (
        ("SELECT DISTINCT m.id FROM message m JOIN body b ON b.id=m.body"
        " WHERE m.held=0 AND b.data IS NOT NULL AND length(b.data)<>b.size"),
        "message {}", "has a body of another size than noted", "hold it",
    ),
    "recipient_without_message": (
        ("SELECT DISTINCT message FROM recipient r WHERE NOT EXISTS"
        "(SELECT 1 FROM message WHERE id=r.message)"),
        "recipients of message {}", "belong to no message", "remove the rows",
    ),
    "body_without_message": (
        "SELECT id FROM body b WHERE NOT EXISTS(SELECT 1 FROM message WHERE body=b.id)",
        "body {}", "belongs to no message", "write it to queue/aside and remove its row",
    ),
    "wrong_count": (
        ("SELECT id FROM body b WHERE refs<>(SELECT count(*) FROM message WHERE body=b.id)"
        " AND EXISTS(SELECT 1 FROM message WHERE body=b.id)"),
        "body {}", "counts its messages wrongly", "set the count",
    ),
}  # fmt: skip


def look(path: str) -> Look:
    """Read everything there is to know; raises apsw.Error when the file cannot be read."""
    with _open(path, apsw.SQLITE_OPEN_READONLY) as db:
        result = [str(row[0]) for row in db.execute("PRAGMA integrity_check(3)")]
        damage = "" if result == ["ok"] else "; ".join(result).replace("\n", " ")
        try:
            return _look(db, damage)
        except apsw.CorruptError as error:
            return Look(0, 0, 0, 0, {}, damage or str(error), [])


def _look(db: apsw.Connection, damage: str) -> Look:
    sequences = {str(name): int(seq) for name, seq in db.execute("SELECT * FROM sqlite_sequence")}
    files: dict[str, tuple[int, list[int]]] = {}
    rows = db.execute(
        "SELECT b.file,b.size,m.id FROM body b JOIN message m ON m.body=b.id"
        " WHERE b.file NOT NULL ORDER BY m.id"
    )
    for name, size, message in rows:
        files.setdefault(str(name), (int(size), []))[1].append(int(message))
    return Look(
        int(db.execute("SELECT value FROM meta WHERE key='identity'").get or 0),
        sequences.get("message", 0),
        sequences.get("fact", 0),
        int(db.execute("SELECT count(*) FROM message").get or 0),
        files,
        damage,
        [] if damage else list(_faults(db)),
    )


def _faults(db: apsw.Connection) -> Iterator[Fault]:
    for kind, (sql, subject, sentence, remedy) in _FAULTS.items():
        for (number,) in db.execute(f"{sql} LIMIT {_SHOWN_MAX}"):
            yield Fault(kind, subject.format(number), sentence, remedy, int(number))


def mend(path: str, fault: Fault, aside: str) -> None:
    """Mend one fault; raises apsw.Error or OSError, and then nothing has changed."""
    with _open(path) as db, db:
        _MENDS[fault.kind](db, fault.number, aside)


def take_out(path: str, message: int, aside: str) -> bool:
    """Write a message to a file in queue/aside and remove its rows; False when there is none."""
    with _open(path) as db, db:
        if not db.execute("SELECT 1 FROM message WHERE id=?", (message,)).get:
            return False
        _message_aside(db, message, aside)
        db.execute("DELETE FROM recipient WHERE message=?", (message,))
    return True


def hold(path: str, messages: Sequence[int]) -> Callable[[], None]:
    """Make the call that holds messages back."""

    def do() -> None:
        with _open(path) as db, db:
            for number in messages:
                db.execute("UPDATE message SET held=1 WHERE id=?", (number,))

    return do


def go_on_after(path: str, number: int) -> None:
    """Never use the numbers up to this one again, and be another store for the log."""
    with _open(path) as db, db:
        db.execute("UPDATE sqlite_sequence SET seq=max(seq,?) WHERE name='message'", (number,))
        if not db.changes():
            db.execute("INSERT INTO sqlite_sequence VALUES('message',?)", (number,))
        identity = int.from_bytes(os.urandom(6), "big")
        db.execute("UPDATE meta SET value=? WHERE key='identity'", (identity,))


def _message_aside(db: apsw.Connection, number: int, aside: str) -> None:
    row = db.execute(
        "SELECT m.head,b.data,b.file,m.body FROM message m LEFT JOIN body b ON b.id=m.body"
        " WHERE m.id=?",
        (number,),
    ).fetchone()
    assert row is not None  # it was found just now, and we are alone
    _write(os.path.join(aside, f"message.{number}"), bytes(row[0]), row[1], row[2])
    db.execute("DELETE FROM message WHERE id=?", (number,))
    db.execute("DELETE FROM forward WHERE message=?", (number,))
    db.execute("DELETE FROM body WHERE id=? AND refs<=1", (row[3],))
    db.execute("UPDATE body SET refs=refs-1 WHERE id=?", (row[3],))


def _body_aside(db: apsw.Connection, number: int, aside: str) -> None:
    row = db.execute("SELECT data,file FROM body WHERE id=?", (number,)).fetchone()
    assert row is not None  # as above
    _write(os.path.join(aside, f"body.{number}"), b"", row[0], row[1])
    db.execute("DELETE FROM body WHERE id=?", (number,))


def _write(path: str, head: bytes, data: object, file: object) -> None:
    """Write mail to a new file, durably; a body in a file of its own is copied."""
    body = data if isinstance(data, bytes) else b""
    if isinstance(file, str):
        source = os.path.join(os.path.dirname(os.path.dirname(path)), "body", file)
        try:
            with open(source, "rb") as opened:
                body = opened.read()
        except FileNotFoundError:
            body = b""  # told as a finding of its own
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "wb") as out:
        out.write(head + body)
        out.flush()
        os.fsync(out.fileno())


def _hold_one(db: apsw.Connection, number: int, _aside: str) -> None:
    db.execute("UPDATE message SET held=1 WHERE id=?", (number,))


def _due_now(db: apsw.Connection, number: int, _aside: str) -> None:
    for channel, column in enumerate(("due_local", "due_remote")):
        db.execute(
            f"UPDATE message SET {column}=coalesce({column},?) WHERE id=? AND EXISTS"  # noqa: S608
            "(SELECT 1 FROM recipient WHERE message=message.id AND channel=? AND state=0)",
            (int(time.time()), number, channel),
        )


def _forget_recipients(db: apsw.Connection, number: int, _aside: str) -> None:
    db.execute("DELETE FROM recipient WHERE message=?", (number,))


def _count(db: apsw.Connection, number: int, _aside: str) -> None:
    db.execute(
        "UPDATE body SET refs=(SELECT count(*) FROM message WHERE body=body.id) WHERE id=?",
        (number,),
    )


_MENDS: dict[str, Callable[[apsw.Connection, int, str], None]] = {
    "message_without_recipients": _message_aside,
    "message_without_body": _hold_one,
    "message_not_due": _due_now,
    "body_short": _hold_one,
    "recipient_without_message": _forget_recipients,
    "body_without_message": _body_aside,
    "wrong_count": _count,
}


@contextmanager
def _open(path: str, flags: int = apsw.SQLITE_OPEN_READWRITE) -> Iterator[apsw.Connection]:
    db = apsw.Connection(path, flags=flags)
    try:
        db.set_busy_timeout(_BUSY_MS)
        db.execute("PRAGMA trusted_schema=OFF; PRAGMA synchronous=FULL")
        yield db
    finally:
        db.close()
