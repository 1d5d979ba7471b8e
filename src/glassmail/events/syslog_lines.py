"""Log lines as splogger gives them to syslog (splogger.c).

Each becomes one or more datagrams: `<PRIORITY>Mmm dd hh:mm:ss TAG: SEC.USEC TEXT`. The priority
comes from the start of the text (`alert:`, `warning:`, else info); a text is folded after
CHUNK bytes, and what follows carries the same stamp and a `+`. Bytes outside printable ASCII
become `?`.
"""

import time
from collections.abc import Iterator
from functools import lru_cache

CHUNK = 799  # splogger.c: a buffer of 800 with its end
_ALERT, _WARNING, _INFO = 1, 4, 6
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PRINTABLE = bytes(byte if 32 <= byte <= 126 else 0x3F for byte in range(256))


def datagrams(text: bytes, at: int, tag: bytes, facility: int) -> Iterator[bytes]:
    """Produce the datagrams of one line.

    Args:
        text: without stamp and newline.
        at: nanoseconds since 1970.
        tag: who says it.
        facility: number of the syslog facility.
    """
    if not text:
        return
    safe = text.translate(_PRINTABLE)  # as long as the text
    seconds, rest = divmod(at, 1_000_000_000)
    head = b"<%d>%b %b: %d.%06d" % (
        facility << 3 | _priority(text), _date(seconds), tag, seconds, rest // 1_000,
    )  # fmt: skip
    for start in range(0, len(safe), CHUNK):
        yield b"%b%b%b" % (head, b"+" if start else b" ", safe[start : start + CHUNK])


def _priority(text: bytes) -> int:
    if text.startswith(b"alert:"):
        return _ALERT
    return _WARNING if text.startswith(b"warning:") else _INFO


@lru_cache(maxsize=8)
def _date(seconds: int) -> bytes:
    """The local time as syslog(3) puts it, never in another language."""
    moment = time.localtime(seconds)
    clock = time.strftime("%H:%M:%S", moment)
    return f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:2d} {clock}".encode("ascii")
