"""What people ask of the queue: list, show, stats, hold, release, retry, bounce, drop.

Rights: root, the owner of the site, the queue's own user and group `glass` see and change all;
others see and change what they handed in themselves (the same uid).
"""

import json
import time
from collections.abc import Callable

from glassmail.daemons.queue import overview
from glassmail.daemons.queue.peers import Peer
from glassmail.daemons.queue.process import QueueProcess
from glassmail.events.queue import Administered
from glassmail.net.messages import Failed, Request, Rows
from glassmail.stations import queue_rows, queue_sums
from glassmail.store.queue.rows import LOCAL, REMOTE, Settlement, Stored
from glassmail.store.queue.schema import DELIVERED, FAILED

BOUNCED_BY_HAND = b"The postmaster returned this message to its sender. (#5.7.0)\n"

class Administration:
    """Answers of the queue to people."""

    def __init__(self, process: QueueProcess) -> None:
        self._process = process
        self._verbs: dict[str, Callable[[Peer, Request, bool], Rows | Failed]] = {
            "list": self._list,
            "show": self._show,
            "stats": self._stats,
            "hold": self._change,
            "release": self._change,
            "retry": self._change,
            "bounce": self._change,
            "drop": self._change,
            "deliveries": self._overview,
            "waiting": self._overview,
        }

    def answer(self, peer: Peer, request: Request, *, administers: bool) -> Rows | Failed:
        """Answer one request."""
        verb = self._verbs.get(request.verb)
        if verb is None:
            return Failed(request.ref, 2, f"the queue knows no {request.verb}")
        return verb(peer, request, administers)

    def _list(self, peer: Peer, request: Request, administers: bool) -> Rows | Failed:
        """A page of messages after number `after`; the last row says where to go on."""
        rows, is_more = queue_rows.page(
            self._process.store,
            _integer(request, "after", 0),
            _integer(request, "limit", queue_rows.PAGE_MAX),
            lambda message: administers or message.uid == peer.uid,
        )
        return Rows(request.ref, tuple(rows), is_more)

    def _show(self, peer: Peer, request: Request, administers: bool) -> Rows | Failed:
        found = self._find(peer, request, administers)
        if isinstance(found, Failed):
            return found
        row = queue_rows.shown(self._process.store, found)
        return Rows(request.ref, (json.dumps(row).encode(),))

    def _overview(self, _peer: Peer, request: Request, administers: bool) -> Rows | Failed:
        if not administers:
            text = "only root, the site's owner and members of group glass see everybody's mail"
            return Failed(request.ref, 3, text)
        if request.verb == "deliveries":
            return overview.deliveries(self._process, request)
        after, limit = (
            _integer(request, "after", 0),
            _integer(request, "limit", queue_sums.PAGE_MAX),
        )
        rows, is_more = queue_sums.page(self._process.store, after, limit)
        return Rows(request.ref, tuple(rows), is_more)

    def _stats(self, _peer: Peer, request: Request, _administers: bool) -> Rows | Failed:
        process = self._process
        row = {
            **overview.figures(process),
            "settings": process.fingerprint,
        }
        return Rows(request.ref, (json.dumps(row).encode(),))

    def _find(self, peer: Peer, request: Request, administers: bool) -> Stored | Failed:
        number = _integer(request, "message", 0)
        found = self._process.store.load(number)
        if found is None or not (administers or found.uid == peer.uid):
            return Failed(request.ref, 1, queue_rows.unknown(number))
        return found

    def _change(self, peer: Peer, request: Request, administers: bool) -> Rows | Failed:
        found = self._find(peer, request, administers)
        if isinstance(found, Failed):
            return found
        idle = request.verb in ("release", "retry") or self._process.deliveries.withdraw(found.id)
        if request.verb in ("bounce", "drop") and not idle:
            text = f"message {found.id} is being delivered: hold it, and try again when that ended"
            return Failed(request.ref, 1, text)
        if request.verb == "hold" and not idle:
            self._process.deliveries.cut_short(found.id)
        orders = {
            "hold": lambda: self._hold(found, held=True),
            "release": lambda: self._hold(found, held=False),
            "retry": lambda: self._retry(found),
            "bounce": lambda: self._give_up(found, BOUNCED_BY_HAND),
            "drop": lambda: self._give_up(found, None),
        }
        self._process.orders.append(orders[request.verb])
        self._process.facts.tell(Administered(time.time_ns(), found.id, request.verb, peer.uid))
        self._process.wake()
        return Rows(
            request.ref, (json.dumps({"message": found.id, "done": request.verb}).encode(),)
        )

    def _hold(self, found: Stored, *, held: bool) -> None:
        self._process.store.hold(found.id, held=held)

    def _retry(self, found: Stored) -> None:
        now = int(time.time())
        self._process.store.hold(found.id, held=False)
        for channel, due in ((LOCAL, found.due_local), (REMOTE, found.due_remote)):
            if due is not None:
                self._process.store.set_due(channel, [(now, found.id)])

    def _give_up(self, found: Stored, text: bytes | None) -> None:
        """Settle every waiting recipient: failed with a text, or quietly gone."""
        store = self._process.store
        state = DELIVERED if text is None else FAILED
        waiting = [r for c in (LOCAL, REMOTE) for r in store.waiting(found.id, c)]
        store.settle([Settlement(found.id, r.number, state, text or b"") for r in waiting])
        if text is None:  # an earlier failure is dropped with the rest: nothing goes back
            failed = [r for r in store.recipients(found.id) if r[2] == FAILED]
            store.settle([Settlement(found.id, r[0], DELIVERED, b"") for r in failed])
        store.hold(found.id, held=False)
        deliveries = self._process.deliveries
        self._process.after_commit.append(lambda: deliveries.finish_by_hand(found))


def _integer(request: Request, name: str, default: int) -> int:
    value = request.arguments.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
