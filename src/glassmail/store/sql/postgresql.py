"""PostgreSQL, by psycopg: statements are prepared by the server at their first use."""

from collections.abc import Generator, Sequence
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from glassmail.core.formats.database_address import DatabaseAddress
from glassmail.store.sql.session import WAIT_S, Row, SqlError, Value

# The server ends a statement after WAIT_S by itself; one that has stopped does not, and whoever
# waits for it must. Reading or writing a whole domain may take its time.
_SILENCE_S_MAX = WAIT_S + 0.5
_WHOLE_DOMAIN_S_MAX = 60.0

_Result = TypeVar("_Result")


class _Connection(psycopg.Connection):
    """A connection that nobody waits for without end."""

    patience_s = _SILENCE_S_MAX

    def wait(
        self,
        gen: Generator[Any, Any, _Result],
        interval: float = WAIT_S,
        timeout: float | None = None,
    ) -> _Result:
        """Carry out a statement; raises psycopg.OperationalError when it takes too long."""
        try:
            return super().wait(gen, interval, timeout or self.patience_s)
        except errors._WaitTimeout as error:  # noqa: SLF001 (it has no public name)
            self.pgconn.finish()  # the answer may still come, to another question
            text = f"no answer within {self.patience_s:.0f} s"
            raise psycopg.OperationalError(text) from error


class PostgresqlSession:
    """One connection."""

    def __init__(self, address: DatabaseAddress, password: str) -> None:
        self._shown = str(address)
        options = make_conninfo(
            "",
            dbname=address.name,
            user=address.user or None,
            password=password or None,
            host=address.host or None,
            port=address.port,
            connect_timeout=WAIT_S,
            tcp_user_timeout=WAIT_S * 1_000,
            options=f"-c statement_timeout={WAIT_S * 1_000}",
            application_name="glassmail",
        )
        try:
            self._connection = _Connection.connect(options, autocommit=True)
            self._cursor = self._connection.cursor()
        except psycopg.Error as error:
            raise SqlError(f"{self._shown}: {error}", is_gone=True) from error

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Ask."""
        try:
            self._connection.patience_s = _WHOLE_DOMAIN_S_MAX
            cursor = self._cursor.execute(_translated(statement), values or None, prepare=True)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise self._failure(error) from error

    def text(self, statement: str, values: Sequence[str]) -> str | None:
        """Ask for one row of one text."""
        try:
            self._connection.patience_s = _SILENCE_S_MAX
            cursor = self._cursor.execute(_translated(statement), values, prepare=True)
            found = cursor.fetchone()
        except psycopg.Error as error:
            raise self._failure(error) from error
        return None if found is None else str(found[0])

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Change; return how many rows."""
        try:
            self._connection.patience_s = _WHOLE_DOMAIN_S_MAX
            return self._cursor.execute(_translated(statement), values or None).rowcount
        except psycopg.Error as error:
            raise self._failure(error) from error

    def run_each(self, statement: str, values: Sequence[Sequence[Value]]) -> None:
        """Change with each of many values."""
        try:
            self._connection.patience_s = _WHOLE_DOMAIN_S_MAX
            self._cursor.executemany(_translated(statement), values)
        except psycopg.Error as error:
            raise self._failure(error) from error

    def begin(self, lock: str) -> None:
        """Begin a transaction; the lock is the server's, and ends with the transaction."""
        self.run("BEGIN")
        self.rows("SELECT pg_advisory_xact_lock(hashtext(?))::text", (lock,))

    def commit(self) -> None:
        """End it durably."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """Undo it."""
        if not self._connection.closed:
            self.run("ROLLBACK")

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _failure(self, error: psycopg.Error) -> SqlError:
        return SqlError(
            f"{self._shown}: {error}",
            is_gone=self._connection.closed or isinstance(error, psycopg.InterfaceError),
            is_taken=isinstance(error, errors.UniqueViolation),
        )


@cache
def _translated(statement: str) -> bytes:
    # As bytes: the library's type for text wants literals, to keep values out of it.
    return statement.replace("?", "%s").encode("ascii")
