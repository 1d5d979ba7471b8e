"""qmail-qstat: count the queue (qmail-qstat.sh; qmail-qstat.txt).

A message is preprocessed in the transaction that takes it in, so that the second number is 0
unless the queue says otherwise. While no server runs both are read from the disk, and the second
counts what was handed in meanwhile. The script always succeeds; this one says 111 when nothing can
be told.
"""

import sys

from glassmail.admin import queue_reading
from glassmail.admin.requests import RequestError
from glassmail.settings.place import Place, find_root


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    place = Place(find_root(None))
    try:
        row = next(queue_reading.tell(place, "stats"))
    except RequestError as error:
        print(f"qmail-qstat: fatal: {error}", file=sys.stderr)
        return 111
    print(f"messages in queue: {row['messages']}")
    print(f"messages in queue but not yet preprocessed: {row['unprocessed']}")
    return 0
