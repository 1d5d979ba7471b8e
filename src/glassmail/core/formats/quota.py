"""Quotas as vpopmail and Maildir++ write them: `NOQUOTA`, `20000S`, `1000000S,1000C`.

People also write `1MB`, `10M` or `1000000`; those become bytes with `S` (format_maildirquota).
"""

from typing import NamedTuple

NONE_TEXT = b"NOQUOTA"
_UNITS = {b"": 1, b"K": 1 << 10, b"M": 1 << 20, b"G": 1 << 30, b"T": 1 << 40}
_DIGITS_MAX = 15


class Quota(NamedTuple):
    """Limits of a mailbox; 0 means no limit."""

    bytes_most: int
    messages_most: int

    @property
    def is_none(self) -> bool:
        """Tell whether there is no limit at all."""
        return not self.bytes_most and not self.messages_most


NO_QUOTA = Quota(0, 0)


class QuotaError(ValueError):
    """A text is no quota; it says what is wrong and what to write."""


def parse(text: bytes) -> Quota:
    """Read a quota as stored or as people write it.

    Raises:
        QuotaError: when a part is neither a size nor a count.
    """
    if not text or text.upper().startswith(b"NO"):  # vdelivermail.c compares two letters only
        return NO_QUOTA
    size = count = 0
    for part in text.upper().split(b","):
        if part.endswith(b"C"):
            count = _number(part[:-1], text)
        else:
            size = _size(part, text)
    return Quota(size, count)


def render(quota: Quota) -> bytes:
    """Write a quota as vpasswd and maildirsize hold it."""
    parts = []
    if quota.bytes_most:
        parts.append(b"%dS" % quota.bytes_most)
    if quota.messages_most:
        parts.append(b"%dC" % quota.messages_most)
    return b",".join(parts) or NONE_TEXT


def _size(part: bytes, whole: bytes) -> int:
    digits = part.rstrip(b"BKMGTS")
    unit = part[len(digits) :]
    factor = _UNITS.get(unit.removesuffix(b"B") if unit != b"S" else b"")
    if factor is None:
        raise _error(whole)
    return _number(digits, whole) * factor


def _number(digits: bytes, whole: bytes) -> int:
    if not digits or len(digits) > _DIGITS_MAX or digits.strip(b"0123456789"):
        raise _error(whole)
    return int(digits)


def _error(whole: bytes) -> QuotaError:
    shown = whole.decode("ascii", "backslashreplace")
    return QuotaError(
        f"{shown} is no quota: write bytes (20000S), 10M, a count (1000C), both with a comma, "
        "or NOQUOTA"
    )
