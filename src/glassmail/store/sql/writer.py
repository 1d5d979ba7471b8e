"""Change the accounts of virtual domains in a data base: an AccountWriter.

Always:
    - The tables are brought to the present version before the first change.
    - Changes of one domain come one after another, by a lock of the data base; each is one
      transaction, durable when its method returns.
    - A failing statement leaves nothing changed and raises AccountChangeError.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from glassmail.core.formats.database_address import DatabaseAddress
from glassmail.core.formats.database_text import to_bytes, to_text
from glassmail.core.formats.vpasswd import Account, Vpasswd
from glassmail.core.model.trail import UNKNOWN
from glassmail.store import edit
from glassmail.store.account_writer import (
    NO_LIMIT,
    AccountChangeError,
    Change,
    Changed,
    Domain,
    MissingError,
    TakenError,
    TooManyError,
)
from glassmail.store.accounts import Found
from glassmail.store.sql import marker, reader, schema
from glassmail.store.sql.database import address_of, open_session
from glassmail.store.sql.reader import FIELDS, account_of
from glassmail.store.sql.session import Session, SqlError, Value

_COUNT = "SELECT COUNT(*) FROM mailbox WHERE domain = ?"
_COUNT_TO = "SELECT COUNT(*) FROM (SELECT name FROM mailbox WHERE domain = ? LIMIT ?) AS counted"
_ALL = f"SELECT name, {FIELDS} FROM mailbox WHERE domain = ? ORDER BY name"  # noqa: S608
_INSERT = (
    f"INSERT INTO mailbox (domain, name, {FIELDS}, changed) "  # noqa: S608 (names alone)
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE = (
    "UPDATE mailbox SET crypted = ?, uid_field = ?, flags = ?, gecos = ?, directory = ?, "
    "quota = ?, clear = ?, changed = ? WHERE domain = ? AND name = ?"
)
_DELETE = "DELETE FROM mailbox WHERE domain = ? AND name = ?"
_EMPTY = "DELETE FROM mailbox WHERE domain = ?"


class SqlWriter:
    """Keeps accounts in the data base that ROOT/control/accountsdb names."""

    is_in_directory = False

    def __init__(self, root: str) -> None:
        self._root = root
        self._address: DatabaseAddress | None = None
        self._session: Session | None = None

    def create(self, domain: Domain) -> None:
        """Begin an empty domain, and say in its directory that it is kept here."""
        self.hold(domain)
        self.mark(domain)

    def reach(self, domain: Domain) -> None:
        """Ask the data base something."""
        with self._failures():
            self._ready().rows(reader.DOMAIN, (_key(domain),))

    def hold(self, domain: Domain) -> None:
        """Begin an empty domain in the tables; one that is there stays as it is."""
        key = _key(domain)
        with self._transaction(domain, must_exist=False) as session:
            if not session.rows(reader.DOMAIN, (key,)):
                session.run("INSERT INTO domain (name) VALUES (?)", (key,))

    def mark(self, domain: Domain) -> None:
        """Say in a domain's directory that it is kept here."""
        try:
            place = marker.Marker(self._root, domain.name)
            marker.write(domain.directory, place, domain.owner)
        except edit.EditError as error:
            raise AccountChangeError(str(error)) from error

    def drop(self, domain: Domain) -> None:
        """Forget a domain and its accounts."""
        with self._transaction(domain, must_exist=False) as session:
            session.run(_EMPTY, (_key(domain),))
            session.run("DELETE FROM domain WHERE name = ?", (_key(domain),))

    def read(self, domain: Domain) -> Vpasswd:
        """Return all accounts in the order of their names."""
        with self._failures():
            rows = self._ready().rows(_ALL, (_key(domain),))
        accounts = (account_of(to_bytes(row[0]), row[1:]) for row in rows)
        return Vpasswd({account.name: account for account in accounts}, {})

    def find(self, domain: Domain, name: bytes) -> Found:
        """Look one account up."""
        try:
            return reader.ask(self._ready(), _key(domain), name)
        except (SqlError, AccountChangeError) as error:
            return Found(UNKNOWN, None, str(error))

    def count(self, domain: Domain) -> int:
        """Count the accounts."""
        with self._failures():
            return int(self._ready().rows(_COUNT, (_key(domain),))[0][0])

    def add(self, domain: Domain, accounts: Sequence[Account], count_max: int = NO_LIMIT) -> None:
        """Add accounts, all or none; raises TakenError, TooManyError, AccountChangeError."""
        now = int(time.time())
        key = _key(domain)
        rows = [(key, to_text(each.name), *_values(each), now) for each in accounts]
        try:
            with self._transaction(domain) as session:
                if count_max >= 0:
                    # No further than the limit is counted: that of a large domain takes long.
                    most = max(count_max - len(rows) + 1, 0)
                    there = int(session.rows(_COUNT_TO, (key, most))[0][0])
                    if there + len(rows) > count_max:
                        there = int(session.rows(_COUNT, (key,))[0][0])
                        raise TooManyError(
                            f"{there} mailboxes are there and {count_max} are allowed"
                        )
                session.run_each(_INSERT, rows)
        except _TakenRowError as error:
            raise self._taken(domain, accounts) from error

    def change(
        self, domain: Domain, names: Collection[bytes] | None, change: Change
    ) -> list[Changed]:
        """Replace accounts; raises MissingError, AccountChangeError."""
        key, now = _key(domain), int(time.time())
        changed: list[Changed] = []
        with self._transaction(domain) as session:
            for before in _accounts(session, key, names):
                after = change(before)
                if after != before:
                    values = (*_values(after), now, key, to_text(before.name))
                    session.run(_UPDATE, values)
                    changed.append(Changed(before, after))
        return changed

    def remove(self, domain: Domain, name: bytes) -> Account:
        """Remove an account; raises MissingError, AccountChangeError."""
        key = _key(domain)
        with self._transaction(domain) as session:
            (account,) = _accounts(session, key, (name,))
            session.run(_DELETE, (key, to_text(name)))
        return account

    def replace(self, domain: Domain, accounts: Collection[Account]) -> None:
        """Let a domain have these accounts and no others, in one transaction."""
        key, now = _key(domain), int(time.time())
        rows = [(key, to_text(each.name), *_values(each), now) for each in accounts]
        with self._transaction(domain, must_exist=False) as session:
            session.run(_EMPTY, (key,))
            if not session.rows(reader.DOMAIN, (key,)):
                session.run("INSERT INTO domain (name) VALUES (?)", (key,))
            if rows:
                session.run_each(_INSERT, rows)

    @contextmanager
    def frozen(self, domain: Domain) -> Iterator[list[Account]]:
        """Give a domain's accounts; nobody changes them while the block runs."""
        with self._transaction(domain) as session:
            yield list(_accounts(session, _key(domain), None))

    def close(self) -> None:
        """Hang up; the next call connects anew."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ready(self) -> Session:
        """Return a connection to tables of the present version; raises SqlError."""
        if self._session is None:
            address = address_of(self._root)
            if address is None:
                raise SqlError(f"{self._root}/control/accountsdb names no data base: write it")
            session = open_session(self._root, address)
            try:
                schema.migrate(session, address.kind)
            except SqlError:
                session.close()
                raise
            self._session = session
        return self._session

    @contextmanager
    def _transaction(self, domain: Domain, *, must_exist: bool = True) -> Iterator[Session]:
        key = _key(domain)
        with self._failures():
            session = self._ready()
            session.begin(f"domain {key}")
            try:
                if must_exist and not session.rows(reader.DOMAIN, (key,)):
                    raise AccountChangeError(f"{key}: the tables of accounts know no such domain")
                yield session
                session.commit()
            except BaseException:
                self._undo(session)
                raise

    def _undo(self, session: Session) -> None:
        try:
            session.rollback()
        except SqlError:
            self.close()  # the data base undoes what nobody ends

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except SqlError as error:
            if error.is_gone:
                self.close()
            if error.is_taken:
                raise _TakenRowError(str(error)) from error
            raise AccountChangeError(str(error)) from error

    def _taken(self, domain: Domain, accounts: Sequence[Account]) -> TakenError:
        there = (each.name for each in accounts if self.find(domain, each.name).account)
        shown = next(there, accounts[0].name).decode("ascii", "backslashreplace")
        return TakenError(f"{shown}: the mailbox exists already")


class _TakenRowError(AccountChangeError):
    """A row of that key is there."""


def _accounts(
    session: Session, key: str, names: Collection[bytes] | None
) -> Iterator[Account]:
    if names is None:
        for row in session.rows(_ALL, (key,)):
            yield account_of(to_bytes(row[0]), row[1:])
        return
    for name in names:
        found = reader.ask(session, key, name)
        if found.account is None:
            shown = name.decode("utf-8", "backslashreplace")
            raise MissingError(f"{shown}: there is no such mailbox")
        yield found.account


def _values(account: Account) -> tuple[Value, ...]:
    return (
        to_text(account.crypted),
        to_text(account.uid_field),
        account.flags,
        to_text(account.gecos),
        to_text(account.directory),
        to_text(account.quota),
        to_text(account.clear),
    )


def _key(domain: Domain) -> str:
    return to_text(domain.name)
