"""The connections that the reader of accounts keeps open in a process."""

from glassmail.store.sql import reader


def forget():
    """Close them, and forget which domains live in a data base."""
    for each in reader._databases.values():
        each.close()
    reader._databases.clear()
    reader._markers.clear()
