"""One line of /etc/shadow: may this account's password be used today? See shadow(5)."""

from typing import NamedTuple


class ShadowLine(NamedTuple):
    """Name, hash, and whether it can be used on the day that was asked about."""

    name: bytes
    hashed: bytes
    is_expired: bool


def find(data: bytes, name: bytes, today: int) -> ShadowLine | None:
    """Find an account's line.

    Args:
        data: the whole file.
        name: the account.
        today: days since 1970.
    """
    for line in data.split(b"\n"):
        fields = line.split(b":")
        if fields[0] == name and len(fields) >= 8:
            return ShadowLine(name, fields[1], _is_expired(fields, today))
    return None


def _is_expired(fields: list[bytes], today: int) -> bool:
    changed, longest, grace, end = (_days(fields[at]) for at in (2, 4, 6, 7))
    if end is not None and today >= end:
        return True
    if changed == 0:  # to be changed at the next login
        return True
    if changed is None or longest is None:
        return False
    return grace is not None and today > changed + longest + grace


def _days(text: bytes) -> int | None:
    return int(text) if text and not text.strip(b"0123456789") and len(text) < 10 else None
