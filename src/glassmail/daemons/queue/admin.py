"""What people ask of the queue: list, show, stats, hold, release, retry, bounce, drop.

Rights: root, the owner of the site, the queue's own user and group `glass` see and change all;
others see and change what they handed in themselves (the same uid).
"""

import json
import time
from collections.abc import Callable
from typing import Any

from glassmail.daemons.queue import overview
from glassmail.daemons.queue.peers import Peer
from glassmail.daemons.queue.process import QueueProcess
from glassmail.events.queue import Administered
from glassmail.net.messages import Failed, Request, Rows
from glassmail.stations.bounce import trace_text
from glassmail.store.queue.database import channel_name
from glassmail.store.queue.rows import LOCAL, REMOTE, Settlement, Stored
from glassmail.store.queue.schema import DELIVERED, FAILED, WAITING

PAGE_MAX = 1_000
ROWS_BYTES_MAX = 524_288  # of one page; the message that goes beyond it is the last
RECIPIENTS_SHOWN_BYTES_MAX = 2_621_440  # of one message, as JSON
RECIPIENTS_FITTING = 25  # fit whatever they hold
HEADER_SHOWN_MAX = 16_384  # bytes of our own lines above a message
_STATES = {WAITING: "waiting", DELIVERED: "done", FAILED: "failed"}
BOUNCED_BY_HAND = b"The postmaster returned this message to its sender. (#5.7.0)\n"

Row = dict[str, Any]


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
        after = _integer(request, "after", 0)
        limit = min(_integer(request, "limit", PAGE_MAX), PAGE_MAX)
        page = self._process.store.page(after, limit)
        is_more = len(page) == limit
        last, held = after, 0
        encoded: list[bytes] = []
        for message in page:
            if held > ROWS_BYTES_MAX:  # the others do not fit into this frame
                is_more = True
                break
            last = message.id
            if administers or message.uid == peer.uid:
                encoded.append(json.dumps(self._row(message)).encode())
                held += len(encoded[-1])
        if is_more:
            encoded.append(json.dumps({"after": last}).encode())
        return Rows(request.ref, tuple(encoded), is_more)

    def _show(self, peer: Peer, request: Request, administers: bool) -> Rows | Failed:
        found = self._find(peer, request, administers)
        if isinstance(found, Failed):
            return found
        row = self._row(found)
        row["header"] = _text(found.head[:HEADER_SHOWN_MAX]) + self._header(found)
        return Rows(request.ref, (json.dumps(row).encode(),))

    def _overview(self, _peer: Peer, request: Request, administers: bool) -> Rows | Failed:
        if not administers:
            text = "only root, the site's owner and members of group glass see everybody's mail"
            return Failed(request.ref, 3, text)
        if request.verb == "deliveries":
            return overview.deliveries(self._process, request)
        limit = max(1, _integer(request, "limit", PAGE_MAX))
        return overview.waiting(self._process, request, _integer(request, "after", 0), limit)

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
            return Failed(request.ref, 1, f"there is no message {number} in the queue")
        return found

    def _header(self, found: Stored) -> str:
        data = found.data or b""
        end = data.find(b"\n\n")  # -1: nothing is shown
        return _text(data[: min(end + 1, HEADER_SHOWN_MAX)])

    def _row(self, message: Stored) -> Row:
        recipients = self._process.store.recipients(message.id)
        due = {LOCAL: message.due_local, REMOTE: message.due_remote}
        rows = [
            {
                "number": number,
                "channel": channel_name(channel),
                "address": _text(address),
                "original": _text(original),
                "state": _STATES[state],
                "text": _text(text),
                "retry_at": (due[channel] or 0) if state == WAITING else 0,
            }
            for number, channel, state, original, address, text in recipients
        ]
        shown = _fitting(rows)
        return {
            "message": message.id,
            "trace": trace_text(message.code, message.part).decode(),
            "born": message.born,
            "size": message.size,
            "sender": _text(message.sender),
            "uid": message.uid,
            "kind": message.kind,
            "origin": message.origin,
            "held": message.file == "held" or self._process.store.is_held(message.id),
            "bouncing": any(row["state"] == "failed" for row in rows),
            "recipients": rows[:shown],
            "recipients_left_out": len(rows) - shown,
        }

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


def _fitting(rows: list[Row]) -> int:
    """Count the recipients that fit into a frame with the rest of their message."""
    if len(rows) <= RECIPIENTS_FITTING:
        return len(rows)
    left = RECIPIENTS_SHOWN_BYTES_MAX
    for at, row in enumerate(rows):
        left -= len(json.dumps(row)) + len(", ")
        if left < 0:
            return at
    return len(rows)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
