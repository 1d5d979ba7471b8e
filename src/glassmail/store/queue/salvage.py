"""Save what can be read of a damaged queue database, and set the damaged files aside.

Purpose:
    The queue's database has one owner and no copy. When pages of it are damaged the rest is read
    row by row into a new one; what was damaged goes to queue/aside as it was, and is never
    removed.

Always:
    - The damaged files are moved, not copied; the new database is durable before it gets the
      name. A crash in between leaves both below queue/aside or queue/.
    - A message is saved whole: with its recipients, and with its body or a reference to the file.
    - A moment's trouble (no rights, no room, locked) is no damage: `is_damage` tells them apart.
"""

import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import apsw

from glassmail.store.queue.schema import create_tables

MARK = "damaged"  # file in queue/: the next start saves what can be read
_TRIES_MAX = 20_000  # damaged rows stepped over in one table
Row = tuple[Any, ...]
_TABLES = ("queue.db", "queue.db-wal", "queue.db-shm")
_COLUMNS = {
    "message": "id,body,born,size,sender,uid,code,part,kind,origin,held,due_local,due_remote,head",
    "body": "id,refs,size,data,file",
    "fact": "id,data",
}


class Salvaged(NamedTuple):
    """What became of a damaged database.

    Attributes:
        saved: messages in the new one.
        known: messages whose number could be read in the damaged one, whole or not.
        aside: where the damaged file is now.
    """

    saved: int
    known: int
    aside: str


def is_damage(error: BaseException | None) -> bool:
    """Tell whether an error says that the file itself is at fault; causes are looked at too."""
    while error is not None:
        if isinstance(error, (apsw.CorruptError, apsw.NotADBError)):
            return True
        error = error.__cause__
    return False


def mark(directory: str) -> None:
    """Have the next start save what can be read; a mark that cannot be made is not insisted on."""
    try:
        os.close(os.open(os.path.join(directory, MARK), os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError:
        return  # the damage will be met again


def is_marked(directory: str) -> bool:
    """Tell whether an ended process met damage."""
    return os.path.lexists(os.path.join(directory, MARK))


def salvage(directory: str, aside: str) -> Salvaged:
    """Set the database of a queue directory aside and put what can be read in its place.

    Raises:
        OSError: when the files cannot be moved.
        apsw.Error: when the new database cannot be written; the damaged one is back then.
    """
    stamp = f"{int(time.time())}.{os.getpid()}"
    kept = os.path.join(aside, f"queue.db.{stamp}")
    fresh = os.path.join(directory, f"queue.db.new.{stamp}")
    moved: list[tuple[str, str]] = []
    for name in _TABLES:
        old, new = os.path.join(directory, name), kept + name.removeprefix("queue.db")
        if os.path.lexists(old):
            os.rename(old, new)
            moved.append((old, new))
    try:
        saved, known = _copy(kept, fresh)
        os.rename(fresh, os.path.join(directory, "queue.db"))
    except (apsw.Error, OSError):
        for old, new in moved:
            os.rename(new, old)
        raise
    for path in (aside, directory):
        _sync(path)
    try:
        os.unlink(os.path.join(directory, MARK))
    except FileNotFoundError:
        pass  # it was found at opening
    return Salvaged(saved, known, kept)


def _copy(damaged: str, fresh: str) -> tuple[int, int]:
    target = apsw.Connection(fresh)
    try:
        target.execute("PRAGMA page_size=8192; PRAGMA synchronous=FULL")
        create_tables(target)
        try:
            source = apsw.Connection(damaged)
            source.execute("PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON")
            with target:
                counts = _copy_rows(source, target)
        except (apsw.CorruptError, apsw.NotADBError):
            return 0, 0  # not even the table of tables can be read
        return counts
    finally:
        target.close()


def _copy_rows(source: apsw.Connection, target: apsw.Connection) -> tuple[int, int]:
    saved = known = 0
    _copy_counters(source, target)
    bodies: dict[int, int] = {}
    for row in _rows(source, "message"):
        known += 1
        recipients = _recipients(source, int(row[0]))
        body = _one(source, "body", int(row[1]))
        if body is None or not recipients:
            continue
        if not bodies.get(int(row[1])):
            target.execute("INSERT INTO body VALUES(?,0,?,?,?)", (body[0], *body[2:]))
        bodies[int(row[1])] = bodies.get(int(row[1]), 0) + 1
        target.execute("INSERT INTO message VALUES(" + ",".join("?" * 14) + ")", row)
        target.executemany("INSERT INTO recipient VALUES(?,?,?,?,?,?,?)", recipients)
        saved += 1
    target.executemany("UPDATE body SET refs=? WHERE id=?", [(n, b) for b, n in bodies.items()])
    for row in _rows(source, "fact"):
        target.execute("INSERT INTO fact VALUES(?,?)", row)
    for table in ("forward", "dropped"):
        try:
            rows = list(source.execute(f"SELECT * FROM {table}"))  # noqa: S608
        except apsw.Error:
            continue  # at worst a forward is made twice, or a dropped file is taken in again
        values = ",".join("?" * len(rows[0])) if rows else ""
        target.executemany(f"INSERT INTO {table} VALUES({values})", rows)
    return saved, known


def _copy_counters(source: apsw.Connection, target: apsw.Connection) -> None:
    """Numbers must not be used twice: take the counters over, or go well ahead of what is known."""
    try:
        for name, seq in source.execute("SELECT name,seq FROM sqlite_sequence"):
            target.execute("INSERT INTO sqlite_sequence VALUES(?,?)", (name, seq))
    except apsw.Error:
        pass  # the rows themselves then set the counters
    try:
        for key, value in source.execute("SELECT key,value FROM meta"):
            if key in ("identity", "code"):
                target.execute("UPDATE meta SET value=? WHERE key=?", (value, key))
    except apsw.Error:
        pass  # a new identity: the log counts the facts anew; codes never fall behind the clock


def _rows(source: apsw.Connection, table: str) -> "Iterator[Row]":
    """Rows of a table by their number, stepping over those that cannot be read."""
    number = tries = 0
    while tries < _TRIES_MAX:
        try:
            row = source.execute(
                f"SELECT {_COLUMNS[table]} FROM {table} WHERE id>? ORDER BY id LIMIT 1",  # noqa: S608
                (number,),
            ).fetchone()
        except apsw.Error:
            tries += 1
            number += 1
            continue
        if row is None:
            return
        number = int(row[0])
        yield row


def _one(
    source: apsw.Connection, table: str, number: int
) -> "Row | None":
    try:
        return source.execute(
            f"SELECT {_COLUMNS[table]} FROM {table} WHERE id=?",  # noqa: S608
            (number,),
        ).fetchone()
    except apsw.Error:
        return None


def _recipients(source: apsw.Connection, message: int) -> "list[Row]":
    try:
        return list(source.execute("SELECT * FROM recipient WHERE message=?", (message,)))
    except apsw.Error:
        return []


def _sync(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
