"""Find one mailbox of a domain that is kept in a data base.

Always:
    - An answer is yes, no or cannot tell. A data base that does not answer, tables that are not
      there, and a domain that the tables do not know are "cannot tell": mail waits, nobody is
      told that there is no such mailbox.
"""

import os
from collections.abc import Sequence

from glassmail.core.formats.database_text import to_bytes, to_text
from glassmail.core.formats.vpasswd import Account
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.store.accounts import Found
from glassmail.store.sql import marker
from glassmail.store.sql.database import Database
from glassmail.store.sql.marker import Marker, MarkerError
from glassmail.store.sql.session import Session, SqlError, Value

FIELDS = "crypted, uid_field, flags, gecos, directory, quota, clear"
FIELDS_COUNT = 7
# One column instead of seven: describing columns is most of what an answer costs with MariaDB. No
# field of vpasswd can hold a line end.
_BETWEEN = "\n"
FIND = f"SELECT concat_ws(?, {FIELDS}) FROM mailbox WHERE domain = ? AND name = ?"  # noqa: S608
DOMAIN = "SELECT name FROM domain WHERE name = ?"
MARKERS_MAX = 16_384  # some 300 bytes each

_Stamp = tuple[int, int]

_databases: dict[str, Database] = {}  # of this process
_markers: dict[bytes, tuple[_Stamp, Marker]] = {}


def find(directory: bytes, name: bytes) -> Found | None:
    """Look for a mailbox; None when the domain of this directory is not in a data base."""
    try:
        place = _marker(directory)
    except MarkerError as error:
        return Found(UNKNOWN, None, str(error))
    if place is None:
        return None
    database = _databases.get(place.root)
    if database is None:
        database = _databases[place.root] = Database(place.root)
    domain = to_text(place.domain)
    try:
        return database.ask(lambda session: ask(session, domain, name))
    except SqlError as error:
        return Found(UNKNOWN, None, str(error))


def ask(session: Session, domain: str, name: bytes) -> Found:
    """Ask for one mailbox; raises SqlError."""
    row = session.text(FIND, (_BETWEEN, domain, to_text(name)))
    if row is not None:
        fields = row.split(_BETWEEN)
        if len(fields) != FIELDS_COUNT or not (fields[2].isascii() and fields[2].isdigit()):
            return Found(UNKNOWN, None, f"the row of {domain} is no line of vpasswd: mend it")
        return Found(YES, account_of(name, fields), "the table mailbox of control/accountsdb")
    if session.text(DOMAIN, (domain,)) is not None:
        return Found(NO, None, "the table mailbox of control/accountsdb")
    return Found(UNKNOWN, None, f"the tables of control/accountsdb know no domain {domain}")


def account_of(name: bytes, row: Sequence[Value]) -> Account:
    """Make an account of a row with FIELDS."""
    crypted, uid_field, flags, gecos, directory, quota, clear = row
    return Account(
        name,
        to_bytes(str(crypted)),
        to_bytes(str(uid_field)),
        int(flags),
        to_bytes(str(gecos)),
        to_bytes(str(directory)),
        to_bytes(str(quota)),
        to_bytes(str(clear)),
    )


def _marker(directory: bytes) -> Marker | None:
    try:
        status = os.lstat(os.path.join(directory, os.fsencode(marker.NAME)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MarkerError(f"{words_of(error)}: {os.fsdecode(directory)}/{marker.NAME}") from error
    stamp = status.st_mtime_ns, status.st_ino
    known = _markers.get(directory)
    if known is not None and known[0] == stamp:
        return known[1]
    found = marker.read(directory)
    if found is not None:
        if len(_markers) >= MARKERS_MAX:
            _markers.clear()
        _markers[directory] = stamp, found
    return found
