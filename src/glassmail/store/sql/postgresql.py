"""PostgreSQL, by psycopg: statements are prepared by the server at their first use."""

from collections.abc import Sequence
from functools import cache

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from glassmail.core.formats.database_address import DatabaseAddress
from glassmail.store.sql.session import WAIT_S, Row, SqlError, Value


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
            self._connection = psycopg.connect(options, autocommit=True)
            self._cursor = self._connection.cursor()
        except psycopg.Error as error:
            raise SqlError(f"{self._shown}: {error}", is_gone=True) from error

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Ask."""
        try:
            cursor = self._cursor.execute(_translated(statement), values or None, prepare=True)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise self._failure(error) from error

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Change; return how many rows."""
        try:
            return self._cursor.execute(_translated(statement), values or None).rowcount
        except psycopg.Error as error:
            raise self._failure(error) from error

    def run_each(self, statement: str, values: Sequence[Sequence[Value]]) -> None:
        """Change with each of many values."""
        try:
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
