"""The time in front of a log line (control/logstamp): TAI64N, local time, or nothing.

TAI64N labels are in core/formats/tai64n.py; here are the others. A local time is written as
tai64nlocal writes it: `2026-11-20 15:04:01.123456789`.
"""

import time
from collections.abc import Callable

from glassmail.core.formats.tai64n import Labels

TAI64N = "tai64n"
LOCAL = "tai64nlocal"
NONE = "none"
KINDS = (TAI64N, LOCAL, NONE)

Stamp = Callable[[int], bytes]

_SECOND = 1_000_000_000


class LocalTimes:
    """Local times of many moments close together: the part of the second is made once."""

    def __init__(self) -> None:
        self._second = -1
        self._prefix = b""

    def stamp(self, at: int) -> bytes:
        """Write a moment (nanoseconds since 1970) and a blank."""
        second, rest = divmod(at, _SECOND)
        if second != self._second:
            self._second = second
            moment = time.localtime(second)
            self._prefix = time.strftime("%Y-%m-%d %H:%M:%S", moment).encode("ascii")
        return b"%b.%09d " % (self._prefix, rest)


def stamp_of(kind: str) -> Stamp:
    """Return what writes the stamps of a kind."""
    if kind == LOCAL:
        return LocalTimes().stamp
    if kind == NONE:
        return lambda _at: b""
    return Labels().label


def read_local(line: bytes) -> tuple[int, bytes] | None:
    """Read a local time at the start of a line: (nanoseconds since 1970, the rest), or None."""
    text = line[:29]
    digits = text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] + text[17:19] + text[20:]
    if len(text) != 29 or not digits.isdigit() or text[19:20] != b"." or text[10:11] != b" ":
        return None
    try:
        moment = time.strptime(text[:19].decode("ascii"), "%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None
    return int(time.mktime(moment)) * _SECOND + int(text[20:]), line[29:]
