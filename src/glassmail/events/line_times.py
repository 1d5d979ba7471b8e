"""Take the time off a log line: TAI64N, tai64nlocal's, syslog's or splogger's.

A line from a file, or one that a person pasted, begins with one of these, or with none:

    @400000006b0061490979c9f4 new msg 7
    2026-11-20 15:04:01.159033844 new msg 7
    Nov 20 15:04:01 mx qmail: 1795187041.159033 new msg 7
    2026-11-20T15:04:01.159033+00:00 mx qmail[81]: new msg 7
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from glassmail.core.formats import tai64n

_SECOND = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL = re.compile(
    rb"([0-9]{4})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?"
    rb"(Z|[+-][0-9]{2}:?[0-9]{2})?[ \t]*"
)
_SYSLOG = re.compile(
    rb"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +([0-9]{1,2}) "
    rb"([0-9]{2}):([0-9]{2}):([0-9]{2})[ \t]+"
)
# `host program[pid]: ` behind a syslog stamp, then splogger's own `seconds.microseconds `
_TAG = re.compile(rb"[A-Za-z0-9._:-]{1,255} +[A-Za-z0-9._/-]{1,64}(?:\[[0-9]{1,10}\])?: +")
_SPLOGGER = re.compile(rb"([0-9]{9,11})\.([0-9]{6}) ")
_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun",
           b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")  # fmt: skip
_LATEST = 2**63 - 1  # nanoseconds since 1970


class Timed(NamedTuple):
    """A line without its time.

    Attributes:
        at: nanoseconds since 1970, 0 when the line has no time that can be read.
        text: what follows.
        precision: nanoseconds that the time may be off.
    """

    at: int
    text: bytes
    precision: int = 0


def take_time(line: bytes, now: int, zone: tzinfo | None = None) -> Timed:
    """Part a line from its time.

    Args:
        line: without newline.
        now: nanoseconds since 1970; syslog's stamps have no year, so theirs is the last one that
            is not after now.
        zone: of stamps without one; None for the machine's.
    """
    found = _take_time(line, now, zone)
    # Before 1970 or beyond 2262 a stamp is damage, and no time that can be stored.
    return found if 0 <= found.at <= _LATEST else found._replace(at=0)


def _take_time(line: bytes, now: int, zone: tzinfo | None) -> Timed:
    labelled = tai64n.parse(line)
    if labelled is not None:
        return Timed(labelled[0], labelled[1].removeprefix(b" "))
    local = _LOCAL.match(line)
    if local is not None:
        at = _local(local, zone)
        precision = _SECOND if local[7] is None else 0
        rest = line[local.end() :]
        tag = _TAG.match(rest)
        return _splogged(rest[tag.end() :] if tag else rest, at, precision)
    syslog = _SYSLOG.match(line)
    if syslog is not None:
        rest = _TAG.sub(b"", line[syslog.end() :], count=1)
        return _splogged(rest, _syslog(syslog, now, zone), _SECOND)
    return _splogged(line, 0, 0)


def _splogged(text: bytes, at: int, precision: int) -> Timed:
    splogger = _SPLOGGER.match(text)
    if splogger is None:
        return Timed(at, text, precision)
    at = int(splogger[1]) * _SECOND + int(splogger[2]) * 1_000
    return Timed(at, text[splogger.end() :])


def _local(match: "re.Match[bytes]", zone: tzinfo | None) -> int:
    fraction = int((match[7] or b"0").ljust(9, b"0"))
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    try:
        moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 -- zone follows
        at = _since_epoch(moment, zone if match[8] is None else UTC)
    except (ValueError, OverflowError, OSError):
        return 0  # 2026-13-40: it only looked like a time
    return at - _offset(match[8]) + fraction


def _offset(text: bytes | None) -> int:
    if text is None or text == b"Z":
        return 0
    digits = text[1:].replace(b":", b"")
    seconds = int(digits[:2]) * 3_600 + int(digits[2:]) * 60
    return (-seconds if text[:1] == b"-" else seconds) * _SECOND


def _syslog(match: "re.Match[bytes]", now: int, zone: tzinfo | None) -> int:
    month = _MONTHS.index(match[1]) + 1
    day, hour, minute, second = (int(match[n]) for n in range(2, 6))
    this_year = (_EPOCH + timedelta(seconds=now // _SECOND)).year
    for year in (this_year + 1, this_year, this_year - 1):
        try:
            moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001
            at = _since_epoch(moment, zone)
        except (ValueError, OverflowError, OSError):
            continue  # February 29th of another year
        if at <= now + 86_400 * _SECOND:
            return at
    return 0


def _since_epoch(moment: datetime, zone: tzinfo | None) -> int:
    aware = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
    since = aware - _EPOCH
    return (since.days * 86_400 + since.seconds) * _SECOND
