"""A connection to a data base, the same for all three: statements with `?`, rows of a tuple each.

Always:
    - Values go beside the statement, never into it.
    - Outside of a transaction every statement is one by itself.
    - Nothing waits longer than WAIT_S for a connection or an answer.
    - A connection belongs to the process that made it.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from glassmail.core.formats.database_address import DatabaseAddress, Kind

WAIT_S = 3

Value = str | int
Row = tuple[Any, ...]  # of text and numbers, as the tables declare them


class SqlError(Exception):
    """The data base did not do it; the text is its own, without passwords.

    Attributes:
        is_gone: whether the connection is of no more use.
        is_taken: whether a row of that key is there already.
    """

    def __init__(self, text: str, *, is_gone: bool = False, is_taken: bool = False) -> None:
        super().__init__(" ".join(text.split()))
        self.is_gone = is_gone
        self.is_taken = is_taken


class Session(Protocol):
    """What the readers and writers of accounts need; every method raises SqlError."""

    def rows(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Ask."""
        ...

    def text(self, statement: str, values: Sequence[str]) -> str | None:
        """Ask for one row of one text; None when there is no row. It costs least."""
        ...

    def run(self, statement: str, values: Sequence[Value] = ()) -> int:
        """Change; return how many rows."""
        ...

    def run_each(self, statement: str, values: Sequence[Sequence[Value]]) -> None:
        """Change with each of many values."""
        ...

    def begin(self, lock: str) -> None:
        """Begin a transaction; of those with the same `lock` only one is under way."""
        ...

    def commit(self) -> None:
        """End it; what it did is durable."""
        ...

    def rollback(self) -> None:
        """End it as if it had not been."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


def connect(address: DatabaseAddress, password: str) -> Session:
    """Connect; raises SqlError. `address.path` of SQLite must be filled in."""
    # Each of these brings a library that other sites need not load.
    if address.kind is Kind.SQLITE:
        from glassmail.store.sql.sqlite import SqliteSession

        return SqliteSession(address.path)
    if address.kind is Kind.POSTGRESQL:
        from glassmail.store.sql.postgresql import PostgresqlSession

        return PostgresqlSession(address, password)
    from glassmail.store.sql.mariadb import MariadbSession

    return MariadbSession(address, password)
