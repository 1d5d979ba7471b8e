"""Who connected on a day: one row per client address, so that a network can be asked about.

Purpose:
    Search keys are hashes, which find one client but no network. When mail never came, the
    question is whether anybody of the sender's networks connected at all; `Visits` counts while
    a day is written, `visits_of` reads a range of addresses.

Always:
    Counts are committed together with the records that they count.
"""

import socket
from collections.abc import Iterable, Iterator

import apsw

from glassmail.events.case import Visit
from glassmail.events.smtpd import Refused, SessionEnded

TABLE = """
CREATE TABLE IF NOT EXISTS visit(
  address BLOB PRIMARY KEY, name TEXT NOT NULL, helo TEXT NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, sessions INTEGER NOT NULL,
  accepted INTEGER NOT NULL, refused INTEGER NOT NULL, broken INTEGER NOT NULL) WITHOUT ROWID;
"""
NAME_LENGTH_MAX = 64
ROWS_MAX = 1_000
# `ended` and `open` are of imported logs, which do not say what a session brought.
_WHOLE = frozenset({"quit", "shutdown", "ended", "open"})
_MAPPED = b"\0" * 10 + b"\xff\xff"
_ADD = (
    "INSERT INTO visit VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(address) DO UPDATE SET"
    " name=iif(excluded.name='',name,excluded.name), helo=iif(excluded.helo='',helo,excluded.helo),"
    " first=min(first,excluded.first), last=max(last,excluded.last),"
    " sessions=sessions+excluded.sessions, accepted=accepted+excluded.accepted,"
    " refused=refused+excluded.refused, broken=broken+excluded.broken"
)
_COLUMNS = "address,name,helo,first,last,sessions,accepted,refused,broken"

_Row = list[int | str]


def packed(address: str) -> bytes:
    """Return a numeric address as 16 bytes (RFC 4291, 2.5.5.2); empty for anything else."""
    try:
        if ":" in address:
            return socket.inet_pton(socket.AF_INET6, address)
        return _MAPPED + socket.inet_pton(socket.AF_INET, address)
    except (OSError, ValueError):
        return b""  # a client without a numeric address: a command, a damaged event


def unpacked(address: bytes) -> str:
    """Return an address as people write it."""
    if address.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, address[12:])
    return socket.inet_ntop(socket.AF_INET6, address)


class Visits:
    """The sessions of a day that are not committed yet."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}

    def add(self, event: SessionEnded | Refused) -> None:
        """Count a session, or take the client's name from a refusal."""
        row = self._rows.get(event.client)
        if row is None:
            row = self._rows[event.client] = ["", "", event.at, event.at, 0, 0, 0, 0]
        if type(event) is Refused:
            if event.client_name:
                row[0] = event.client_name[:NAME_LENGTH_MAX]
            return
        assert isinstance(event, SessionEnded)
        if event.helo:
            row[1] = event.helo[:NAME_LENGTH_MAX].decode("ascii", "replace")
        row[2], row[3] = min(int(row[2]), event.began), max(int(row[3]), event.at)
        row[4] = int(row[4]) + 1
        row[5] = int(row[5]) + event.accepted
        row[6] = int(row[6]) + event.refused
        if event.how not in _WHOLE and not event.accepted:
            row[7] = int(row[7]) + 1

    def write(self, db: apsw.Connection) -> None:
        """Write what was counted; the caller's transaction."""
        if self._rows:
            rows = ((packed(client), *row) for client, row in self._rows.items())
            db.executemany(_ADD, [row for row in rows if row[0]])

    def clear(self) -> None:
        """Forget what was counted."""
        self._rows.clear()


def visits_of(
    db: apsw.Connection, ranges: Iterable[tuple[bytes, bytes]], names: Iterable[str]
) -> Iterator[Visit]:
    """Yield the visits of address ranges (both ends included) and of names that end so."""
    found: dict[bytes, Visit] = {}
    for low, high in ranges:
        sql = f"SELECT {_COLUMNS} FROM visit WHERE address BETWEEN ? AND ? LIMIT {ROWS_MAX}"  # noqa: S608
        for row in db.execute(sql, (low, high)):
            if low.startswith(_MAPPED) == row[0].startswith(_MAPPED):  # ::/64 holds all of IPv4
                found[row[0]] = _visit(row)
    for name in names:
        # SQLite's LIKE ignores ASCII case; which dot it ended at is seen here.
        sql = f"SELECT {_COLUMNS} FROM visit WHERE name LIKE ?1 OR helo LIKE ?1 LIMIT {ROWS_MAX}"  # noqa: S608
        literal = name.replace("%", "").replace("_", "")
        for row in db.execute(sql, (f"%{literal}",)):
            if _ends_with(row[1], name) or _ends_with(row[2], name):
                found[row[0]] = _visit(row)
    yield from found.values()


def _ends_with(host: str, name: str) -> bool:
    return f".{host.lower()}".endswith(f".{name.lower()}")


def totals(db: apsw.Connection) -> tuple[int, int]:
    """Return how many clients had how many sessions."""
    row = db.execute("SELECT count(*), coalesce(sum(sessions),0) FROM visit").get
    return int(row[0]), int(row[1])


def _visit(row: tuple[bytes, str, str, int, int, int, int, int, int]) -> Visit:
    return Visit(unpacked(row[0]), *row[1:])
