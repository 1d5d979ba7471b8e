"""Reading the queue: the running server tells it; of one that is stopped, its database does.

Always:
    - A stopped server's database is read a page at a time, so that a server which starts
      meanwhile does not wait.
    - Who may read the database's file sees everything: root and the site's owner.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import apsw

from glassmail.admin import queue_check
from glassmail.admin.requests import NoServerError, RequestError, all_pages, ask
from glassmail.settings.place import Place
from glassmail.stations import queue_rows, queue_sums
from glassmail.store.drop import is_finished
from glassmail.store.queue.reading import QueueReading, opened

PAGE = 500

Rows = Iterator[dict[str, Any]]


def messages(place: Place) -> Rows:
    """Yield the row of every message the caller may see; raises RequestError."""
    return all_pages(lambda after: _page(place, after))


def _page(place: Place, after: int) -> Rows:
    return _told(
        place,
        lambda: ask(place.queue_socket, "list", after=after, limit=PAGE),
        lambda queue: queue_rows.page(queue, after, PAGE, lambda _message: True)[0],
    )


def message(place: Place, number: int) -> dict[str, Any]:
    """Return the row of one message with its header; raises RequestError."""

    def read(queue: QueueReading) -> list[bytes]:
        found = queue.load(number)
        if found is None:
            raise RequestError(queue_rows.unknown(number), 1)
        return [json.dumps(queue_rows.shown(queue, found)).encode()]

    return next(_told(place, lambda: ask(place.queue_socket, "show", message=number), read))


def sums(place: Place, after: int, limit: int) -> Rows:
    """Yield a page of what waits, summed up; raises RequestError."""
    return _told(
        place,
        lambda: ask(place.queue_socket, "waiting", after=after, limit=limit),
        lambda queue: queue_sums.page(queue, after, limit)[0],
    )


def counts(place: Place) -> tuple[int, int]:
    """Return how many messages are queued, and how many handed in wait to be; RequestError."""

    def read(queue: QueueReading) -> list[bytes]:
        row = {"messages": queue.count_messages(), "unprocessed": handed_in(place)}
        return [json.dumps(row).encode()]

    row = next(_told(place, lambda: ask(place.queue_socket, "stats"), read))
    return row["messages"], row["unprocessed"]


def handed_in(place: Place) -> int:
    """How many messages lie in queue/drop until a server takes them in."""
    return sum(is_finished(name) for name in os.listdir(place.queue_drop))


def _told(
    place: Place, ask_server: Callable[[], Rows], read: Callable[[QueueReading], list[bytes]]
) -> Rows:
    """Ask the server; where none runs, read what it would have told."""
    try:
        yield from ask_server()
    except NoServerError as nobody:
        try:
            rows = _read(place, read)
        except OSError as error:
            raise nobody from error
        for row in rows:
            yield json.loads(row)


def _read(place: Place, read: Callable[[QueueReading], list[bytes]]) -> list[bytes]:
    path = place.queue_db
    os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))  # whether it is there, and may be read
    try:
        if queue_check.is_running(place):
            raise RequestError("the server starts or stops: ask again in a moment", 3)
        with opened(path) as queue:
            return read(queue)
    except queue_check.CheckError as error:
        raise RequestError(str(error), 3) from error
    except apsw.Error as error:
        raise RequestError(f"{path}: {error}: see `glass queue check`", 3) from error
