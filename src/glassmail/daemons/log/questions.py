"""Questions of people, answered from the history in a thread, so that no event waits for them."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import apsw
import msgspec

from glassmail.daemons.log.limits import QUESTIONS_MAX, ROWS_BYTES_MAX
from glassmail.daemons.log.rights import Rights
from glassmail.daemons.log.server import Peer
from glassmail.events.case import Case, Found, Near, NearQuery, Query, Visit
from glassmail.net.messages import Failed, Request, Rows
from glassmail.store.history import everywhere
from glassmail.store.history.day import Tail
from glassmail.store.history.forgetting import Forgotten, forget_history, forget_logs
from glassmail.store.history.schema import HistoryError

CASES_MAX = 100  # of one answer
NETWORKS_MAX, NAMES_MAX = 500, 10  # of one question for visits
NOT_ALLOWED = (
    "only root, the site's owner and members of group glass may read the whole history; ask "
    "about your own mail by --as ADDRESS"
)
NOT_YOURS = (
    "mail for {viewer} is not delivered by your user: ask --as an address that is, or as root, "
    "the site's owner or a member of group glass"
)

Answer = list[Rows | Failed]


class Questions:
    """The verbs `why` (what happened) and `near` (who connected)."""

    def __init__(
        self,
        directory: str,
        rights: Rights,
        executor: ThreadPoolExecutor,
        settle: Callable[[], dict[int, Tail]],
        logs: str = "",
        owner_of: Callable[[str], int | None] = lambda _address: None,
    ) -> None:  # fmt: skip
        """Make it.

        Args:
            directory: the history.
            rights: who may see.
            executor: one thread.
            settle: commits and returns what is only in memory.
            logs: the text logs, in which addresses are forgotten too.
            owner_of: the uid that an address belongs to.
        """
        self._owner_of = owner_of
        self._logs = logs
        self._directory = directory
        self._rights = rights
        self._executor = executor
        self._settle = settle
        self._under_way = 0

    def ask(self, peer: Peer, request: Request) -> None:
        """Answer a request, now or when the search is done."""
        if request.verb == "forget":
            self._forget(peer, request)
            return
        query = _query(request)
        if isinstance(query, Failed):
            peer.send(query)
        elif not self._may_ask(peer, query):
            peer.send(Failed(request.ref, 3, NOT_ALLOWED))
        elif self._under_way >= QUESTIONS_MAX:
            peer.send(Failed(request.ref, 3, "too many questions at once: ask again in a moment"))
        else:
            self._start(peer, request.ref, query)

    def _forget(self, peer: Peer, request: Request) -> None:
        forms = request.arguments.get("forms")
        if not self._rights.is_master(peer.uid):
            peer.send(Failed(request.ref, 3, "only root and the site's owner may forget"))
        elif not isinstance(forms, list) or not all(isinstance(form, str) for form in forms):
            peer.send(Failed(request.ref, 2, "forget: which address?"))
        else:
            self._settle()
            words = tuple(os.fsencode(str(form)) for form in forms)
            # All days are read: questions must not wait for that.
            aside = ThreadPoolExecutor(1, "forget")
            self._run(peer, aside.submit(forget, self._directory, self._logs, request.ref, words))
            aside.shutdown(wait=False)

    def _may_ask(self, peer: Peer, query: Query | NearQuery) -> bool:
        """Everybody may ask about the mail of one address: whose it is, is looked up aside."""
        if self._rights.may_see_all(peer.uid, peer.gid):
            return True
        return isinstance(query, Query) and bool(query.viewer)

    def _start(self, peer: Peer, ref: int, query: Query | NearQuery) -> None:
        sees_all = self._rights.may_see_all(peer.uid, peer.gid)
        tails = self._settle()

        def answer() -> Answer:
            # The owner's name is looked up in files and the system's accounts: not in the loop.
            if not sees_all:
                viewer = query.viewer if isinstance(query, Query) else ""
                if not viewer or self._owner_of(viewer) != peer.uid:
                    refusal = NOT_YOURS.format(viewer=viewer) if viewer else NOT_ALLOWED
                    return [Failed(ref, 3, refusal)]
            return search(self._directory, tails, ref, query)

        self._run(peer, self._executor.submit(answer))

    def _run(self, peer: Peer, future: "Future[Answer]") -> None:
        self._under_way += 1
        loop = asyncio.get_running_loop()

        def deliver(done: "Future[Answer]") -> None:
            self._under_way -= 1
            for message in done.result():
                peer.send(message)

        def arrived(done: "Future[Answer]") -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver, done)

        future.add_done_callback(arrived)


def search(
    directory: str, tails: Mapping[int, Tail], ref: int, query: Query | NearQuery
) -> Answer:
    """Search the history; the answer as frames."""
    head: Found | Near
    told: Sequence[Case | Visit]
    try:
        if isinstance(query, NearQuery):
            head, told = everywhere.visits(directory, query, tails)
        else:
            head, told = everywhere.search(directory, query, tails)
    except HistoryError as error:
        return [Failed(ref, 3, str(error))]
    rows = [msgspec.json.encode(head), *(msgspec.json.encode(row) for row in told)]
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


def forget(directory: str, logs: str, ref: int, forms: tuple[bytes, ...]) -> Answer:
    """Forget an address; the counts as one row."""
    try:
        done = forget_history(directory, forms)
        texts = forget_logs(logs, forms) if logs else Forgotten()
    except (OSError, apsw.Error) as error:
        return [Failed(ref, 3, f"not forgotten everywhere: {error}: try again")]
    row = done._replace(lines=texts.lines, files=texts.files)._asdict()
    return [Rows(ref, (msgspec.json.encode(row),))]


def _query(request: Request) -> Query | NearQuery | Failed:
    kind = {"why": Query, "near": NearQuery}.get(request.verb)
    if kind is None:
        return Failed(request.ref, 2, f"the log knows no {request.verb}")
    try:
        query: Query | NearQuery = msgspec.convert(request.arguments, kind)
    except msgspec.ValidationError as error:
        return Failed(request.ref, 2, f"{request.verb}: {error}")
    if isinstance(query, NearQuery):
        networks, names = query.networks[:NETWORKS_MAX], query.names[:NAMES_MAX]
        return msgspec.structs.replace(query, networks=networks, names=names)
    return msgspec.structs.replace(query, most=max(0, min(query.most, CASES_MAX)))
