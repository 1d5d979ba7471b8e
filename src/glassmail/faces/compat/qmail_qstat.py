"""qmail-qstat: count the queue (qmail-qstat.sh; qmail-qstat.txt).

A message is preprocessed in the transaction that takes it in, so that the second number is 0
unless the queue says otherwise. The script always succeeds; this one says 111 without an answer.
"""

import sys

from glassmail.admin.requests import RequestError, ask
from glassmail.settings.place import Place, find_root


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    place = Place(find_root(None))
    try:
        row = next(ask(place.queue_socket, "stats"))
    except RequestError as error:
        print(f"qmail-qstat: fatal: {error}", file=sys.stderr)
        return 111
    print(f"messages in queue: {row['messages']}")
    print(f"messages in queue but not yet preprocessed: {row['unprocessed']}")
    return 0
