"""The queue's tables, and how its one writer, the queue process, opens the database.

Tables:

    message    one row per message; due_local, due_remote: when its next pass is due (seconds),
               NULL when nothing waits on that channel. The two partial indexes are the schedule.
    recipient  one row per recipient; state: 0 waiting, 1 delivered, 2 failed (text kept for the
               bounce).
    body       counted references; small bodies in the row, large ones in queue/body/FILE.
    forward    forwards already made for a recipient: a repeat finds its child here.
    fact       batches of events that the log has not confirmed yet.
    meta       identity of the store, schema version, counter of trace codes.
"""

import os

import apsw

VERSION = 1
PAGE_BYTES = 8_192  # a 4 kB message and its head fit one leaf page
CACHE_KIB = 16_384
WAL_PAGES_CHECKPOINT = 2_000  # 16 MiB: bounded WAL, few checkpoints
BUSY_TIMEOUT_MS = 5_000

WAITING, DELIVERED, FAILED = 0, 1, 2

_TABLES = """
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS body(
    id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB, file TEXT);
CREATE TABLE IF NOT EXISTS message(
    id INTEGER PRIMARY KEY AUTOINCREMENT, body INTEGER NOT NULL, born INTEGER NOT NULL,
    size INTEGER NOT NULL, sender BLOB NOT NULL, uid INTEGER NOT NULL, code INTEGER NOT NULL,
    part INTEGER NOT NULL, kind TEXT NOT NULL, origin INTEGER NOT NULL, held INTEGER NOT NULL,
    due_local INTEGER, due_remote INTEGER, head BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS due_local ON message(due_local)
    WHERE due_local IS NOT NULL AND held = 0;
CREATE INDEX IF NOT EXISTS due_remote ON message(due_remote)
    WHERE due_remote IS NOT NULL AND held = 0;
CREATE TABLE IF NOT EXISTS recipient(
    message INTEGER NOT NULL, number INTEGER NOT NULL, channel INTEGER NOT NULL,
    state INTEGER NOT NULL, original BLOB NOT NULL, address BLOB NOT NULL, text BLOB NOT NULL,
    PRIMARY KEY(message, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forward(
    message INTEGER NOT NULL, number INTEGER NOT NULL, part INTEGER NOT NULL,
    child INTEGER NOT NULL, PRIMARY KEY(message, number, part)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dropped(name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact(id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL);
"""


class StoreError(Exception):
    """The store cannot be used; the text says what and what to do."""


class InUseError(StoreError):
    """Another process reads the database."""


def open_database(path: str) -> apsw.Connection:
    """Open the queue's database for its one writer; raises StoreError.

    `synchronous=FULL` makes every commit in WAL mode end with a sync of the WAL, which is what
    each 250 rests on. The checkpoint at opening matters after a failed sync: it moves whatever
    recovery accepted into the database file, durably, so that no later commit can depend on WAL
    frames that never reached the disk. `locking_mode` comes before anything is read: whoever
    reads the database of a stopped server is waited for here, not at the first commit.

    Raises:
        InUseError: somebody reads the database, still after BUSY_TIMEOUT_MS.
        StoreError: it cannot be used.
    """
    try:
        db = apsw.Connection(path)
        db.set_busy_timeout(BUSY_TIMEOUT_MS)
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        if not _pragma(db, "page_count"):
            db.execute(f"PRAGMA page_size={PAGE_BYTES}")
            db.execute("PRAGMA auto_vacuum=NONE")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        db.execute("PRAGMA temp_store=MEMORY")
        db.wal_autocheckpoint(0)
        db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        create_tables(db)
    except apsw.BusyError as error:
        raise InUseError(f"{path}: another process reads it: let it end (fuser {path})") from error
    except apsw.CantOpenError as error:
        raise StoreError(
            f"{path}: {error}: see owner and rights of it, of the files beside it, of its directory"
        ) from error
    except apsw.Error as error:
        raise StoreError(f"{path}: {error}: see `glass queue check`") from error
    return db


def create_tables(db: apsw.Connection) -> None:
    """Make what is missing; raises StoreError when another version wrote the store."""
    with db:
        db.execute(_TABLES)
        _stamp(db)


def _stamp(db: apsw.Connection) -> None:
    row = db.execute("SELECT value FROM meta WHERE key='version'").fetchone()
    if row is None:
        identity = int.from_bytes(os.urandom(6), "big")
        db.execute(
            "INSERT INTO meta VALUES('version',?),('identity',?),('code',0)", (VERSION, identity)
        )
    elif row[0] != VERSION:
        raise StoreError(f"the queue was written by version {row[0]} of this store, not {VERSION}")


def _pragma(db: apsw.Connection, name: str) -> object:
    row = db.execute(f"PRAGMA {name}").fetchone()
    return row[0] if row else None
