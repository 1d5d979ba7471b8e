"""Dates as qmail writes them: `20 Nov 2026 15:04:01 -0000` (date822fmt.c), computed, not asked."""

from functools import lru_cache

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed")  # 1970-01-01 was a Thursday


def civil(seconds: int) -> tuple[int, int, int, int, int, int, int]:
    """Turn seconds since 1970 (UTC) into (year, month, day, hour, minute, second, weekday).

    weekday: 0 is Thursday. Proleptic Gregorian calendar; days are counted from 1 March of year 0
    so that the leap day comes last.
    """
    days, rest = divmod(seconds, 86_400)
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    return year, month, day, rest // 3_600, rest // 60 % 60, rest % 60, days % 7


@lru_cache(maxsize=4)  # many messages share a second
def rfc822(seconds: int) -> bytes:
    """Write `20 Nov 2026 15:04:01 -0000`."""
    year, month, day, hour, minute, second, _ = civil(seconds)
    return b"%d %s %d %02d:%02d:%02d -0000" % (
        day, _MONTHS[month - 1].encode(), year, hour, minute, second,
    )  # fmt: skip


def from_line(seconds: int) -> bytes:
    """Write the date of an mbox From_ line, `Fri Nov 20 15:04:01 2026` (myctime.c)."""
    year, month, day, hour, minute, second, weekday = civil(seconds)
    return b"%s %s %d %02d:%02d:%02d %d" % (
        _DAYS[weekday].encode(), _MONTHS[month - 1].encode(), day, hour, minute, second, year,
    )  # fmt: skip
