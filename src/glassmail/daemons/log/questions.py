"""Questions of people, answered from the history in a thread, so that no event waits for them."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec

from glassmail.daemons.log.limits import QUESTIONS_MAX, ROWS_BYTES_MAX
from glassmail.daemons.log.rights import Rights
from glassmail.daemons.log.server import Peer
from glassmail.events.case import Query
from glassmail.net.messages import Failed, Request, Rows
from glassmail.store.history.day import Tail
from glassmail.store.history.reader import Archive
from glassmail.store.history.schema import HistoryError
from glassmail.store.history.search import Search

CASES_MAX = 100  # of one answer

Answer = list[Rows | Failed]


class Questions:
    """The verb `why`."""

    def __init__(
        self,
        directory: str,
        rights: Rights,
        executor: ThreadPoolExecutor,
        settle: Callable[[], dict[int, Tail]],
    ) -> None:
        """Make it.

        Args:
            directory: the history.
            rights: who may see.
            executor: one thread.
            settle: commits and returns what is only in memory.
        """
        self._directory = directory
        self._rights = rights
        self._executor = executor
        self._settle = settle
        self._under_way = 0

    def ask(self, peer: Peer, request: Request) -> None:
        """Answer a request, now or when the search is done."""
        query = _query(request)
        if isinstance(query, Failed):
            peer.send(query)
        elif not self._rights.may_see_all(peer.uid, peer.gid):
            text = "only root, the site's owner and members of group glass may read the history"
            peer.send(Failed(request.ref, 3, text))
        elif self._under_way >= QUESTIONS_MAX:
            peer.send(Failed(request.ref, 3, "too many questions at once: ask again in a moment"))
        else:
            self._start(peer, request.ref, query)

    def _start(self, peer: Peer, ref: int, query: Query) -> None:
        self._under_way += 1
        loop = asyncio.get_running_loop()
        future = self._executor.submit(search, self._directory, self._settle(), ref, query)

        def deliver(done: "Future[Answer]") -> None:
            self._under_way -= 1
            for message in done.result():
                peer.send(message)

        def arrived(done: "Future[Answer]") -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver, done)

        future.add_done_callback(arrived)


def search(directory: str, tails: Mapping[int, Tail], ref: int, query: Query) -> Answer:
    """Search the history; the answer as frames."""
    try:
        archive = Archive(directory, tails)
    except HistoryError as error:
        return [Failed(ref, 3, str(error))]
    try:
        found, cases = Search(archive).find(query)
    finally:
        archive.close()
    rows = [msgspec.json.encode(found), *(msgspec.json.encode(case) for case in cases)]
    answer: list[Rows | Failed] = []
    batch: list[bytes] = []
    size = 0
    for row in rows:
        if batch and size + len(row) > ROWS_BYTES_MAX:
            answer.append(Rows(ref, tuple(batch), more=True))
            batch, size = [], 0
        batch.append(row)
        size += len(row)
    answer.append(Rows(ref, tuple(batch)))
    return answer


def _query(request: Request) -> Query | Failed:
    if request.verb != "why":
        return Failed(request.ref, 2, f"the log knows no {request.verb}")
    try:
        query = msgspec.convert(request.arguments, Query)
    except msgspec.ValidationError as error:
        return Failed(request.ref, 2, f"why: {error}")
    return msgspec.structs.replace(query, most=max(0, min(query.most, CASES_MAX)))
