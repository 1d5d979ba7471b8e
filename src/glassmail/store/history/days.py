"""The history's files: one per UTC day, `YYYY-MM-DD.db`. Days are counted from 1970-01-01."""

import os
import re
from datetime import date, timedelta

DAY_NS = 86_400_000_000_000
_EPOCH = date(1970, 1, 1)
_NAME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})\.db")
_DAY_MAX = (date(9999, 12, 31) - _EPOCH).days


def day_of(at: int) -> int:
    """Return the day of a moment (nanoseconds since 1970)."""
    return at // DAY_NS


def path_of(directory: str, day: int) -> str:
    """Return the path of a day's file."""
    shown = _EPOCH + timedelta(days=min(max(day, 0), _DAY_MAX))
    return os.path.join(directory, f"{shown.isoformat()}.db")


def days_in(directory: str) -> list[int]:
    """Return the days that have a file, oldest first; raises OSError."""
    days = []
    for name in os.listdir(directory):
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        try:
            days.append((date.fromisoformat(match[1]) - _EPOCH).days)
        except ValueError:
            continue  # 2026-02-31.db: not a file of ours
    return sorted(days)


def remove_before(directory: str, first: int) -> list[int]:
    """Remove the files of days before `first`; return those days; raises OSError."""
    removed = [day for day in days_in(directory) if day < first]
    for day in removed:
        path = path_of(directory, day)
        for end in ("-wal", "-shm", ""):
            try:
                os.unlink(path + end)
            except FileNotFoundError:
                continue
    return removed
