"""Moments as people write them on a command line, and as they read them."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"([0-9]{1,9})\s*(s|min|m|h|d|w)(?:\s*ago)?", re.ASCII)
_DAYS = {"today": 0, "yesterday": 1}
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?", re.ASCII)
FORMS = "write `2h`, `3d`, `14:30`, `yesterday`, `2026-11-20` or `2026-11-20 14:30`"


class MomentError(ValueError):
    """The text is no moment; str() says how to write one."""


def parse_moment(text: str, now: int, zone: tzinfo | None = None) -> int:
    """Read a moment: how long ago (`2h`), a time of today, a day, or both; local time.

    Args:
        text: what was written.
        now: nanoseconds since 1970.
        zone: of times without one; None for the machine's.

    Returns:
        Nanoseconds since 1970.

    Raises:
        MomentError: it cannot be understood.
    """
    ago = _AGO.fullmatch(text.strip().lower())
    if ago:
        return max(0, now - int(ago[1]) * _UNITS[ago[2]] * 1_000_000_000)
    today = _local(now, zone)
    days = _DAYS.get(text.strip().lower())
    try:
        clock = _CLOCK.fullmatch(text.strip())
        if days is not None:
            midnight = today.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
            moment = midnight - timedelta(days=days)
        elif clock:
            moment = today.replace(
                hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3] or 0), microsecond=0
            )
        else:
            moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
        since = moment - _EPOCH
    except (ValueError, OverflowError, OSError) as error:
        raise MomentError(f"{text!r} is no moment: {FORMS}") from error
    return max(0, (since.days * 86_400 + since.seconds) * 1_000_000_000)


def show_moment(at: int, zone: tzinfo | None = None) -> str:
    """Write a moment to the second, in local time: `2026-11-20 15:17:03`."""
    return _local(at, zone).strftime("%Y-%m-%d %H:%M:%S")


def show_clock(at: int, zone: tzinfo | None = None) -> str:
    """Write the time of day to the millisecond: `15:17:03.410`."""
    return _local(at, zone).strftime("%H:%M:%S.") + f"{at // 1_000_000 % 1000:03d}"


def show_span(nanoseconds: int) -> str:
    """Write how long something took or is away: `12 ms`, `3.5 s`, `20 min`, `3 h`, `5 days`."""
    milliseconds = max(0, nanoseconds) // 1_000_000
    if milliseconds < 1_000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1_000
    if seconds < 10:
        return f"{seconds:.1f} s"
    for limit, unit, name in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"


def _local(at: int, zone: tzinfo | None) -> datetime:
    try:
        return (_EPOCH + timedelta(seconds=at // 1_000_000_000)).astimezone(zone)
    except (OverflowError, OSError, ValueError):  # a damaged record: beyond the calendar
        return _EPOCH
