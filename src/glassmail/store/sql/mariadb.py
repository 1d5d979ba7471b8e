"""MariaDB (and MySQL), by PyMySQL."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pymysql
import pymysql.connections
from pymysql.constants.COMMAND import COM_QUERY

from glassmail.core.formats.database_address import DatabaseAddress
from glassmail.store.sql.session import WAIT_S, Row, SqlError, Value

SOCKET = "/run/mysqld/mysqld.sock"
_TAKEN = 1_062  # ER_DUP_ENTRY
_LOCK_NAME_MAX = 64
_BEFORE_ROWS = 3  # packets: the number of columns, one column, an end


class _Connection(pymysql.connections.Connection):
    """A connection that can ask for one text without a cursor, at two thirds of the cost."""

    def text(self, statement: str, values: Sequence[str]) -> str | None:
        """Return the only column of the only row, None when there is none.

        The packets of such an answer are the number of columns, the column, an end, then the row
        and an end, or an end alone (the text protocol's answer to COM_QUERY).
        """
        query = statement % tuple(map(self.escape, values))
        self._execute_command(COM_QUERY, query)  # type: ignore[attr-defined]
        read: Callable[[], Any] = self._read_packet
        for _packet in range(_BEFORE_ROWS):
            read()
        row = read()
        if row.is_eof_packet():
            return None
        found: bytes = row.read_length_coded_string()
        if not read().is_eof_packet():
            self.close()
            raise pymysql.InterfaceError(0, "more than one row where there is one")
        return found.decode("utf-8")


class MariadbSession:
    """One connection."""

    def __init__(self, address: DatabaseAddress, password: str) -> None:
        is_socket = not address.host or address.host.startswith("/")
        self._shown = str(address)
        self._lock = ""
        try:
            self._connection = _Connection(
                host=None if is_socket else address.host,
                unix_socket=(address.host or SOCKET) if is_socket else None,
                port=address.port,
                user=address.user or None,
                password=password.encode("utf-8", "surrogateescape"),
                database=address.name,
                charset="utf8mb4",
                autocommit=True,
                connect_timeout=WAIT_S,
                read_timeout=WAIT_S,
                write_timeout=WAIT_S,
                init_command="SET SESSION sql_mode='STRICT_ALL_TABLES'",
            )
        except (pymysql.MySQLError, OSError) as error:
            raise SqlError(f"{self._shown}: {_text(error)}", is_gone=True) from error
        self._cursor = self._connection.cursor()

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Ask."""
        self.run(statement, values)
        return list(self._cursor.fetchall())

    def text(self, statement: str, values: Sequence[str]) -> str | None:
        """Ask for one row of one text."""
        try:
            return self._connection.text(_translated(statement), values)
        except (pymysql.MySQLError, OSError) as error:
            raise self._failure(error) from error

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Change; return how many rows."""
        try:
            return self._cursor.execute(_translated(statement), tuple(values) or None)
        except (pymysql.MySQLError, OSError) as error:
            raise self._failure(error) from error

    def run_each(self, statement: str, values: Sequence[Sequence[Value]]) -> None:
        """Change with each of many values."""
        try:
            self._cursor.executemany(_translated(statement), [tuple(each) for each in values])
        except (pymysql.MySQLError, OSError) as error:
            raise self._failure(error) from error

    def begin(self, lock: str) -> None:
        """Begin a transaction; the lock is the server's."""
        name = f"glassmail {lock}"[:_LOCK_NAME_MAX]
        if self.rows("SELECT GET_LOCK(?, ?)", (name, WAIT_S)) != [(1,)]:
            raise SqlError(f"{self._shown}: somebody else has changed accounts for {WAIT_S} s")
        self._lock = name
        self.run("START TRANSACTION")

    def commit(self) -> None:
        """End it durably."""
        self.run("COMMIT")
        self._unlock()

    def rollback(self) -> None:
        """Undo it."""
        if self._connection.open:
            self.run("ROLLBACK")
            self._unlock()

    def close(self) -> None:
        """Hang up."""
        if self._connection.open:
            self._connection.close()

    def _unlock(self) -> None:
        if self._lock:
            self.rows("SELECT RELEASE_LOCK(?)", (self._lock,))
            self._lock = ""

    def _failure(self, error: Exception) -> SqlError:
        code = error.args[0] if error.args else 0
        is_gone = not self._connection.open or isinstance(
            error, pymysql.InterfaceError | OSError
        )
        return SqlError(
            f"{self._shown}: {_text(error)}",
            is_gone=is_gone or code in (2006, 2013),  # the server has gone away, was lost
            is_taken=code == _TAKEN,
        )


def _text(error: Exception) -> str:
    return str(error.args[1]) if len(error.args) > 1 else str(error)


@cache
def _translated(statement: str) -> str:
    return statement.replace("?", "%s")
