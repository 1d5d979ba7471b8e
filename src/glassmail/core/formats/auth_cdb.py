"""auth.cdb of the combined patch: login name -> `hash,NAME="value",NAME2="value"`.

Reading stops at the first malformed item, as the patch does; a value cannot hold a quote.
"""

from typing import NamedTuple

EXPIRES = b"PASSWORD_EXPIRES"  # seconds since 1970; the patch never gets to look at it


class AuthRecord(NamedTuple):
    """One login: the password's hash, when it expires (0: never), variables for the session."""

    hashed: bytes
    expires: int
    environment: tuple[tuple[bytes, bytes], ...]


def parse(data: bytes) -> AuthRecord:
    """Read the value of a record."""
    hashed, comma, rest = data.partition(b",")
    # A hash may hold commas only where argon2 writes its parameters.
    if hashed.startswith(b"$argon2") and comma:
        end = data.find(b",", data.rfind(b"$"))
        hashed, rest = (data, b"") if end < 0 else (data[:end], data[end + 1 :])
    items = []
    expires = 0
    while rest:
        name, mark, tail = rest.partition(b'="')
        value, quote, after = tail.partition(b'"')
        if not mark or not quote or not name or name.strip(_NAME_BYTES):
            break
        if name == EXPIRES:
            digits = value[: len(value) - len(value.lstrip(b"0123456789"))]
            expires = int(digits[:19]) if digits else 0
        else:
            items.append((name, value))
        if not after.startswith(b","):
            break
        rest = after[1:]
    return AuthRecord(hashed, expires, tuple(items))


_NAME_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
