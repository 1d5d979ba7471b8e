"""The history's files: one per UTC day, `YYYY-MM-DD.db`. Days are counted from 1970-01-01."""

import os
import re
from collections.abc import Sequence
from datetime import date, timedelta

DAY_NS = 86_400_000_000_000
IMPORTS = "imported"  # other servers' history, a directory each
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
        remove(directory, day)
    return removed


def remove(directory: str, day: int) -> None:
    """Remove a day's file; raises OSError."""
    path = path_of(directory, day)
    for end in ("-wal", "-shm", ""):
        try:
            os.unlink(path + end)
        except FileNotFoundError:
            continue


def remove_beyond(directories: Sequence[str], most_bytes: int, today: int) -> list[int]:
    """Remove the oldest days until all files together are within a size; raises OSError.

    Args:
        directories: the history and its imports.
        most_bytes: of all files.
        today: and later days stay, however large they are.

    Returns:
        The removed days, oldest first.
    """
    sizes = [
        (day, directory, _size(path_of(directory, day)))
        for directory in directories
        for day in days_in(directory)
    ]
    total = sum(size for _day, _directory, size in sizes)
    removed = []
    for day, directory, size in sorted(sizes):
        if total <= most_bytes or day >= today:
            break
        remove(directory, day)
        removed.append(day)
        total -= size
    return removed


def _size(path: str) -> int:
    total = 0
    for end in ("-wal", ""):
        try:
            total += os.stat(path + end).st_size
        except FileNotFoundError:
            continue
    return total


def imports_in(directory: str) -> list[str]:
    """Return the directories of the imports, in the order of their names."""
    base = os.path.join(directory, IMPORTS)
    try:
        names = sorted(os.listdir(base))
    except OSError:
        return []  # none were made, or they are closed to the caller as the history is
    return [os.path.join(base, name) for name in names if not name.endswith(".fresh")]
