"""Where each domain of a site keeps its accounts, and an AccountWriter that goes there.

A domain with a vpasswd keeps them there. One with the mark of store.sql.marker keeps them in the
data base. A new one goes where control/accountsdb says: into the data base that it names, or into
vpasswd where there is no such file.
"""

import os
from collections.abc import Collection, Sequence

from glassmail.core.formats.vpasswd import Account, Vpasswd
from glassmail.store.account_writer import (
    NO_LIMIT,
    AccountChangeError,
    AccountWriter,
    Change,
    Changed,
    Domain,
)
from glassmail.store.accounts import Found
from glassmail.store.sql import marker
from glassmail.store.sql.database import address_of
from glassmail.store.sql.marker import MarkerError
from glassmail.store.sql.session import SqlError
from glassmail.store.sql.writer import SqlWriter
from glassmail.store.vpasswd_writer import VpasswdWriter


class SiteAccounts:
    """The accounts of a site, wherever each domain keeps them."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._files = VpasswdWriter()
        self._database: SqlWriter | None = None

    @property
    def is_in_directory(self) -> bool:
        """Whether every domain's accounts lie in its directory: no data base is named."""
        return not self._is_database_named()

    def of(self, domain: Domain) -> AccountWriter:
        """Return what keeps a domain's accounts now; raises AccountChangeError."""
        if os.path.lexists(os.path.join(domain.directory, "vpasswd")):
            return self._files
        try:
            place = marker.read(os.fsencode(domain.directory))
        except MarkerError as error:
            raise AccountChangeError(str(error)) from error
        if place is None:
            return self._files
        if os.path.realpath(place.root) != os.path.realpath(self._root):
            where = os.path.join(domain.directory, marker.NAME)
            raise AccountChangeError(f"{where}: its accounts are another site's, {place.root}")
        return self.database()

    def database(self) -> SqlWriter:
        """Return the writer of this site's data base."""
        if self._database is None:
            self._database = SqlWriter(self._root)
        return self._database

    @property
    def files(self) -> VpasswdWriter:
        """The writer of vpasswd."""
        return self._files

    def create(self, domain: Domain) -> None:
        """Begin an empty table of accounts; one that is there stays where it is."""
        self._of_new(domain).create(domain)

    def reach(self, domain: Domain) -> None:
        """Raise AccountChangeError unless what keeps the accounts, or would, answers."""
        self._of_new(domain).reach(domain)

    def drop(self, domain: Domain) -> None:
        """Forget the table of a domain."""
        self.of(domain).drop(domain)

    def read(self, domain: Domain) -> Vpasswd:
        """Return all accounts."""
        return self.of(domain).read(domain)

    def find(self, domain: Domain, name: bytes) -> Found:
        """Return one account."""
        return self.of(domain).find(domain, name)

    def count(self, domain: Domain) -> int:
        """Return how many accounts there are."""
        return self.of(domain).count(domain)

    def add(self, domain: Domain, accounts: Sequence[Account], count_max: int = NO_LIMIT) -> None:
        """Add accounts, all or none."""
        self.of(domain).add(domain, accounts, count_max)

    def change(
        self, domain: Domain, names: Collection[bytes] | None, change: Change
    ) -> list[Changed]:
        """Replace accounts."""
        return self.of(domain).change(domain, names, change)

    def remove(self, domain: Domain, name: bytes) -> Account:
        """Remove an account."""
        return self.of(domain).remove(domain, name)

    def _of_new(self, domain: Domain) -> AccountWriter:
        place = os.path.join(domain.directory, marker.NAME)
        vpasswd = os.path.join(domain.directory, "vpasswd")
        is_there = os.path.lexists(place) or os.path.lexists(vpasswd)
        is_new = not is_there and self._is_database_named()
        return self.database() if is_new else self.of(domain)

    def _is_database_named(self) -> bool:
        try:
            return address_of(self._root) is not None
        except SqlError as error:
            raise AccountChangeError(str(error)) from error
