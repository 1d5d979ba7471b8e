"""Whose mailbox a local part means (qmail-lspawn.c, qmail-getpw.c)."""

from collections.abc import Iterator
from typing import NamedTuple

from glassmail.core.formats.cdb import CdbLookup
from glassmail.core.formats.control import show
from glassmail.core.model.trail import NO, YES, Step

ACCOUNT_BYTES_MAX = 31  # qmail-getpw.c GETPW_USERLEN, less the final NUL
CDB_NAME = "users/cdb"


class User(NamedTuple):
    """Who a delivery runs as, and where.

    Attributes:
        name: the variable USER.
        uid: numeric user.
        gid: numeric group.
        home: where dot-qmail files lie.
        dash: stands in file names between `.qmail` and the extension.
        ext: the extension, its case as in the address.
    """

    name: bytes
    uid: int
    gid: int
    home: bytes
    dash: bytes
    ext: bytes


class Cut(NamedTuple):
    """One reading of a local part: the account's name, dash and extension."""

    account: bytes
    dash: bytes
    ext: bytes


class BrokenAssignError(Exception):
    """users/cdb is no users/cdb; `is_record` tells whether only one record is broken."""

    def __init__(self, text: str, *, is_record: bool) -> None:
        super().__init__(text)
        self.is_record = is_record


def find_assigned(local: bytes, assign: CdbLookup) -> tuple[User | None, Step]:
    """Look a local part up in users/cdb: exactly, then by prefix from long to short.

    Raises:
        BrokenAssignError: the file lacks its empty key, or a record has too few fields.
    """
    last_characters = assign.find(b"")
    if last_characters is None:
        raise BrokenAssignError(f"{CDB_NAME} lacks its record of wildcards", is_record=False)
    lower = local.lower()
    data = assign.find(b"!" + lower + b"\0")
    if data is not None:
        return _user(data, b"", local), _found(local, b"=" + lower)
    for size in range(len(lower), -1, -1):
        # Only prefixes that end as some assigned prefix does are looked up; the empty one always.
        if size and lower[size - 1] not in last_characters:
            continue
        data = assign.find(b"!" + lower[:size])
        if data is not None:
            return _user(data, local[size:], local), _found(local, b"+" + lower[:size])
    return None, Step("routing.assign", local, NO, CDB_NAME)


def cuts(local: bytes, break_character: bytes) -> Iterator[Cut]:
    """List the readings of a local part: whole, then cut at each break from the right.

    The dash is `-` whatever the break character is; names of 32 bytes and more are no accounts.
    """
    if len(local) <= ACCOUNT_BYTES_MAX:
        yield Cut(local.lower(), b"", b"")
    position = local.rfind(break_character) if break_character else -1
    while position >= 0:
        if position <= ACCOUNT_BYTES_MAX:
            yield Cut(local[:position].lower(), b"-", local[position + 1 :])
        position = local.rfind(break_character, 0, position)


def _found(local: bytes, key: bytes) -> Step:
    return Step("routing.assign", local, YES, f"{CDB_NAME} {show(key)}")


def _user(data: bytes, rest: bytes, local: bytes) -> User:
    fields = (data + rest).split(b"\0")
    # qmail-newu stores no NUL behind the ext field, so that the rest of the address joins it.
    if len(fields) < 6:
        raise BrokenAssignError(
            f"{CDB_NAME}: the record for {show(local)} has too few fields", is_record=True
        )
    name, uid, gid, home, dash, ext = fields[:6]
    return User(name, scan_number(uid), scan_number(gid), home, dash, ext)


def scan_number(text: bytes) -> int:
    """Read the decimal prefix of a text as a 32-bit number, 0 without one (scan_ulong)."""
    digits = text[: len(text) - len(text.lstrip(b"0123456789"))]
    return int(digits[-20:]) & 0xFFFFFFFF if digits else 0
