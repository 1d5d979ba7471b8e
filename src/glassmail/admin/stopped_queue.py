"""What a queue process would tell of its queue, told by the database while no server runs.

Always:
    - A page is read at a time: a server that starts meanwhile waits for one page.
    - Who may read the database's file sees everything: root and the site's owner.
    - It is read with its owner's rights, to whom what SQLite makes beside it has to belong.
"""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from glassmail.admin.requests import RequestError
from glassmail.settings.place import Place
from glassmail.stations import queue_rows, queue_sums
from glassmail.stations.rights import as_user
from glassmail.store.drop import is_finished
from glassmail.store.queue.reading import QueueReading, nothing, opened

Arguments = dict[str, int]


def answer(place: Place, verb: str, arguments: Arguments) -> list[bytes]:
    """Return the rows, as JSON, that the queue process answers to the verb.

    Raises:
        OSError: the caller may not look.
        RequestError: there is no such message, or the database cannot be read.
    """
    path = place.queue_db
    try:
        with _reading(path) as queue:
            return _ANSWERS[verb](place, queue, arguments)
    except apsw.BusyError as error:
        raise RequestError(f"{path}: a server opens it just now: ask again", 3) from error
    except apsw.Error as error:
        raise RequestError(f"{path}: {error}: see `glass queue check`", 3) from error


@contextmanager
def _reading(path: str) -> Iterator[QueueReading]:
    try:
        owner = os.stat(path)
    except FileNotFoundError:
        os.listdir(os.path.dirname(path))  # without the right to look nothing can be told
        with nothing() as queue:
            yield queue
        return
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    with as_user(owner.st_uid, owner.st_gid), opened(path) as queue:
        yield queue


def _list(_place: Place, queue: QueueReading, arguments: Arguments) -> list[bytes]:
    return queue_rows.page(queue, arguments["after"], arguments["limit"], lambda _message: True)[0]


def _show(_place: Place, queue: QueueReading, arguments: Arguments) -> list[bytes]:
    found = queue.load(arguments["message"])
    if found is None:
        raise RequestError(queue_rows.unknown(arguments["message"]), 1)
    return [json.dumps(queue_rows.shown(queue, found)).encode()]


def _waiting(_place: Place, queue: QueueReading, arguments: Arguments) -> list[bytes]:
    return queue_sums.page(queue, arguments["after"], arguments["limit"])[0]


def _stats(place: Place, queue: QueueReading, _arguments: Arguments) -> list[bytes]:
    handed_in = sum(is_finished(name) for name in os.listdir(place.queue_drop))
    row = {"messages": queue.count_messages(), "unprocessed": handed_in}
    return [json.dumps(row).encode()]


_ANSWERS: dict[str, Callable[[Place, QueueReading, Arguments], list[bytes]]] = {
    "list": _list,
    "show": _show,
    "waiting": _waiting,
    "stats": _stats,
}
