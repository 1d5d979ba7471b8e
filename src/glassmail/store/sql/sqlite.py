"""A file of SQLite, by the library that keeps the queue too (apsw, which brings its own SQLite)."""

import os
from collections.abc import Sequence

import apsw

from glassmail.core.model.system_errors import words_of
from glassmail.store.sql.session import WAIT_S, Row, SqlError, Value

_OPEN = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_NOFOLLOW


class SqliteSession:
    """One connection."""

    def __init__(self, path: str) -> None:
        # The way to the file may go over links, which the administrator made; the file is none.
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        try:
            is_new = not os.path.lexists(path)
            if is_new:  # others than the owner have no business in it
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
                _give_to_directory(path)
            self._connection = apsw.Connection(path, flags=_OPEN)
            self._connection.set_busy_timeout(WAIT_S * 1_000)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                self._connection.execute(f"PRAGMA {pragma}")
        except OSError as error:
            raise SqlError(f"{path}: {words_of(error)}", is_gone=True) from error
        except apsw.Error as error:
            raise SqlError(f"{path}: {error}", is_gone=True) from error
        self._path = path

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Ask."""
        try:
            return list(self._connection.execute(statement, values))
        except apsw.Error as error:
            raise self._failure(error) from error

    def text(self, statement: str, values: Sequence[str]) -> str | None:
        """Ask for one row of one text."""
        found = self.rows(statement, values)
        return str(found[0][0]) if found else None

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Change; return how many rows."""
        try:
            self._connection.execute(statement, values)
            return self._connection.changes()
        except apsw.Error as error:
            raise self._failure(error) from error

    def run_each(self, statement: str, values: Sequence[Sequence[Value]]) -> None:
        """Change with each of many values."""
        try:
            self._connection.executemany(statement, values)
        except apsw.Error as error:
            raise self._failure(error) from error

    def begin(self, lock: str) -> None:
        """Begin a transaction, the only one that writes to the file."""
        del lock
        self.rows("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """End it durably."""
        self.rows("COMMIT")

    def rollback(self) -> None:
        """Undo it."""
        if self._connection.in_transaction:
            self.rows("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _failure(self, error: apsw.Error) -> SqlError:
        return SqlError(
            f"{self._path}: {error}",
            is_gone=isinstance(error, apsw.CantOpenError | apsw.NotADBError | apsw.IOError),
            is_taken=isinstance(error, apsw.ConstraintError),
        )


def _give_to_directory(path: str) -> None:
    if os.geteuid() == 0:
        status = os.stat(os.path.dirname(path))
        os.chown(path, status.st_uid, status.st_gid)
