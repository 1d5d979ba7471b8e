"""Reading the queue: the running server tells it; of one that is stopped, its database does."""

import json
import os
from collections.abc import Iterator
from typing import Any

from glassmail.admin.reload import supervisor_pid
from glassmail.admin.requests import NoServerError, RequestError, all_pages, ask
from glassmail.settings.place import Place

PAGE = 500

Rows = Iterator[dict[str, Any]]


def tell(place: Place, verb: str, **arguments: int) -> Rows:
    """Yield the rows of list, show, waiting or stats; raises RequestError.

    The arguments are those of the queue process (daemons.queue.admin).
    """
    try:
        yield from ask(place.queue_socket, verb, **arguments)
    except NoServerError as nobody:
        for row in _told_by_the_disk(place, verb, arguments, nobody):
            yield json.loads(row)


def messages(place: Place) -> Rows:
    """Yield the row of every message the caller may see; raises RequestError."""
    return all_pages(lambda after: tell(place, "list", after=after, limit=PAGE))


def is_stopped(place: Place) -> bool:
    """Tell whether no server runs, as far as the caller may know."""
    return os.path.isdir(place.path("run")) and not supervisor_pid(place)


def _told_by_the_disk(
    place: Place, verb: str, arguments: dict[str, int], nobody: NoServerError
) -> list[bytes]:
    from glassmail.admin import stopped_queue  # the store costs 20 ms, and mostly a server answers

    if supervisor_pid(place):
        told = "a server holds this site, but its queue does not answer: glass status"
        raise RequestError(told, 3) from nobody
    try:
        return stopped_queue.answer(place, verb, arguments)
    except OSError as error:
        raise nobody from error
