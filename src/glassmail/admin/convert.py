"""Move the accounts of a virtual domain from vpasswd into the data base, and back.

Always:
    - At each moment one place counts, for deliveries, logins and changes alike: vpasswd while it
      is there, else the data base that the domain's mark names. The new place is complete, and
      was read again, before the old one goes.
    - Nobody changes accounts meanwhile: the lock of the place that is left is held, and that of
      our own commands, which would otherwise wait for the former and then change what was left.
    - A conversion that was killed is done again from its beginning; the accounts are the same.
    - What vpopmail's programs need stays in the domain's directory: dot-qmail files, limits,
      mailboxes. They themselves do not see accounts of a data base.
"""

import os
from collections.abc import Sequence
from typing import NoReturn

from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.core.formats import vpasswd
from glassmail.core.formats.vpasswd import Account
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.stations.rights import as_user
from glassmail.store import edit
from glassmail.store.account_writer import AccountChangeError, Domain
from glassmail.store.sql import marker
from glassmail.store.sql.choice import SiteAccounts
from glassmail.store.vpasswd_writer import FILE_MODE, locked

FORMER = ".vpasswd-before-database"
DATABASE = "database"
FILES = "vpasswd"


def to_database(site: Site, changes: Changes, name: bytes) -> None:
    """Move a domain's accounts from vpasswd into the data base of control/accountsdb.

    Raises:
        AccountError: there is no such domain, a line of vpasswd cannot be read, or the data base
            does not take them; the accounts are then where they were.
    """
    domain = site.domain(name)
    accounts = _accounts_of(site)
    with as_user(*domain.owner):
        try:
            with edit.alone_in(domain.directory), locked(domain):
                if not os.path.lexists(_vpasswd(domain)):  # also when another moved it just now
                    _refuse_again(domain, "in the data base")
                table = accounts.files.read(domain)
                if table.broken:
                    raise AccountError(min(table.broken.values()))
                database = accounts.database()
                database.replace(domain, table.accounts.values())
                _compare(database.read(domain).accounts, table.accounts)
                database.mark(domain)
                _remove(_vpasswd(domain) + ".cdb")
                os.rename(_vpasswd(domain), os.path.join(domain.directory, FORMER))
                edit.sync_directory(domain.directory)
        except (AccountChangeError, edit.EditError, OSError) as error:
            raise _failure(domain, error) from error
    _tell(changes, domain, len(table.accounts), "into the data base")
    changes.tell(f"{domain.directory}/vpasswd: renamed to {FORMER}")
    changes.undo_by("glass", "domain", "convert", domain.name, "--to", FILES)


def to_files(site: Site, changes: Changes, name: bytes) -> None:
    """Move a domain's accounts from the data base into vpasswd.

    Raises:
        AccountError: there is no such domain, or one of the two fails; the accounts are then
            where they were.
    """
    domain = site.domain(name)
    accounts = _accounts_of(site)
    with as_user(*domain.owner):
        try:
            with edit.alone_in(domain.directory):
                if marker.read(os.fsencode(domain.directory)) is None:
                    _refuse_again(domain, "in vpasswd")
                accounts.of(domain)  # refuses another site's
                count = _leave_database(domain, accounts)
        except (AccountChangeError, marker.MarkerError, edit.EditError, OSError) as error:
            raise _failure(domain, error) from error
    _tell(changes, domain, count, "into vpasswd")
    changes.undo_by("glass", "domain", "convert", domain.name, "--to", DATABASE)


def _leave_database(domain: Domain, accounts: SiteAccounts) -> int:
    database = accounts.database()
    count = 0
    if not os.path.lexists(_vpasswd(domain)):
        with database.frozen(domain) as found, locked(domain):
            _write(domain, found)
        count = len(found)
    # From here on vpasswd counts; this may be what a killed conversion left.
    marker.remove(domain.directory)
    accounts.files.create(domain)  # vpasswd.cdb
    database.drop(domain)
    _remove(os.path.join(domain.directory, FORMER))
    return count


def place_of(domain: Domain) -> str:
    """Say where a domain keeps its accounts: DATABASE or FILES."""
    with as_user(*domain.owner):
        if os.path.lexists(_vpasswd(domain)):
            return FILES
        is_marked = os.path.lexists(os.path.join(domain.directory, marker.NAME))
    return DATABASE if is_marked else FILES


def _accounts_of(site: Site) -> SiteAccounts:
    if isinstance(site.writer, SiteAccounts):
        return site.writer
    return SiteAccounts(site.place.root)


def _vpasswd(domain: Domain) -> str:
    return os.path.join(domain.directory, "vpasswd")


def _refuse_again(domain: Domain, where: str) -> NoReturn:
    shown = os.fsdecode(domain.name)
    raise AccountError(f"{shown}: its accounts are {where} already", Fault.COULD_NOT_UPDATE_FILE)


def _compare(found: dict[bytes, Account], wanted: dict[bytes, Account]) -> None:
    for name, account in wanted.items():
        if found.get(name) != account:
            shown = name.decode("ascii", "backslashreplace")
            raise AccountChangeError(f"{shown}: what was written reads otherwise; nothing moved")
    if len(found) != len(wanted):
        raise AccountChangeError("more accounts than were written; nothing moved")


def _write(domain: Domain, accounts: Sequence[Account]) -> None:
    text = vpasswd.render(accounts)
    _compare(vpasswd.parse(text).accounts, {account.name: account for account in accounts})
    _remove(_vpasswd(domain) + ".cdb")  # of former times: it must not speak for this text
    edit.replace(_vpasswd(domain), text, FILE_MODE, domain.owner)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # there is none: fine


def _tell(changes: Changes, domain: Domain, count: int, where: str) -> None:
    changes.tell(f"{os.fsdecode(domain.name)}: {count} mailboxes moved {where}")


def _failure(domain: Domain, error: Exception) -> AccountError:
    shown = os.fsdecode(domain.name)
    return AccountError(f"{shown}: {error}", Fault.COULD_NOT_UPDATE_FILE)
