"""qmail-tcpok: forget which connections timed out (qmail-tcpok.8). Silent when it succeeds."""

import os
import sys

from glassmail.core.model.system_errors import error_text
from glassmail.settings.place import Place, find_root
from glassmail.store.tcpto import TableError, TcpTimeouts

_DOING = {"open": "write", "lock": "lock", "read": "clear"}


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    place = Place(find_root(None))
    for directory in (place.root, place.queue_lock):
        try:
            os.stat(os.path.join(directory, "."))
        except OSError as error:
            return _fail(f"chdir to {directory}", error)
    try:
        TcpTimeouts(place.queue_lock).clear()
    except TableError as failure:
        return _fail(f"{_DOING[failure.doing]} {place.queue_lock}/tcpto", failure.error)
    return 0


def _fail(doing: str, error: OSError) -> int:
    text = error_text(error).decode("ascii")
    sys.stderr.write(f"qmail-tcpok: fatal: unable to {doing}: {text}\n")
    return 111
