"""The facts of accepted messages on their way to the log: gathered, committed, sent, trimmed.

Always:
    - Facts are rows of the same transaction as the change they tell.
    - They go to the log in order; it confirms what it holds durably, and only that is trimmed.
    - The log being away costs nothing but rows; when it comes back it is sent what it lacks,
      at most WINDOW_ROWS unconfirmed rows at a time.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import msgspec

from glassmail.daemons.queue.limits import FACT_BYTES_MAX, FACTS_SEND_S
from glassmail.events.codec import encode
from glassmail.events.event import Event
from glassmail.net.link import Link
from glassmail.net.messages import Facts, FactsKept
from glassmail.store.queue.database import QueueStore

WINDOW_ROWS = 2_000  # sent but not confirmed
SKIPPED_A_BATCH = 100  # message numbers that a lost batch of facts may have used
SEND_ROWS = 100  # of one frame when catching up
END_IS_GONE = (
    "the history holds %d later batches of facts than the queue's database: the end of its "
    "write-ahead log is gone, and mail with it: glass why tells what had been accepted"
)


class FactStream:
    """Facts of this run, and those that the log has not confirmed."""

    def __init__(self, store: QueueStore, log_socket: str) -> None:
        self._store = store
        self._gathered: list[Event] = []
        self._sent = 0
        self._kept = 0
        self._trim = 0
        self._fresh: list[tuple[int, bytes]] = []  # rows of the transaction under way
        self._ready: list[tuple[int, bytes]] = []  # committed rows on their way to the log
        self._timer: asyncio.TimerHandle | None = None
        decoder = msgspec.msgpack.Decoder(FactsKept)
        self._link = Link(log_socket, "queue", decoder, self._confirmed)
        self._link.on_up = self._up
        # The log confirms more than the store ever held: the end of the store is gone.
        self.on_ahead: Callable[[int], None] = lambda _batches: None
        # Called with the log's first confirmation: does it hold more than the store?
        self.on_first: Callable[[bool], None] | None = None

    def count_anew(self) -> None:
        """Be another store for the log, which takes every fact then; inside a transaction."""
        self._store.renew_identity()
        self._sent = self._kept = self._trim = 0

    def start(self) -> None:
        """Connect to the log."""
        self._link.start()

    def close(self) -> None:
        """Stop talking to the log; what is ready still goes out."""
        self._send_ready()
        self._link.close()

    def tell(self, event: Event) -> None:
        """Add a fact to the next commit."""
        self._gathered.append(event)

    @property
    def is_waiting(self) -> bool:
        """Tell whether facts or a trim wait for a commit."""
        return bool(self._gathered) or self._trim > 0

    def write(self) -> None:
        """Write what was gathered; inside the transaction."""
        if self._trim:
            self._store.trim_facts(self._trim)
        if self._gathered:
            self._keep(self._gathered)

    def _keep(self, events: list[Event]) -> None:
        data = encode(events)
        if len(data) > FACT_BYTES_MAX and len(events) > 1:
            middle = len(events) // 2
            self._keep(events[:middle])
            self._keep(events[middle:])
            return
        self._fresh.append((self._store.keep_facts(data), data))

    def committed(self) -> None:
        """The transaction is durable: its facts may go, a few commits together."""
        self._gathered.clear()
        self._trim = 0
        fresh, self._fresh = self._fresh, []
        if not fresh or not self._link.is_up:
            return
        self._ready += fresh
        if len(self._ready) >= SEND_ROWS:
            self._send_ready()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FACTS_SEND_S, self._send_ready)

    def _send_ready(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ready, self._ready = self._ready, []
        if not ready:
            return
        is_next = ready[0][0] == self._sent + 1 and ready[-1][0] == self._sent + len(ready)
        if is_next and self._sent - self._kept < WINDOW_ROWS:
            for rows in _frames(ready):
                if not self._link.send(Facts(rows, self._store.identity)):
                    return
                self._sent = rows[-1][0]
        else:
            self._catch_up()

    @property
    def unconfirmed(self) -> int:
        """Fact rows that the log has not confirmed."""
        return self._store.last_fact - self._kept if self._kept else 0

    @property
    def mark(self) -> int:
        """Where the facts stand now; `undone` goes back to it."""
        return len(self._gathered)

    def undone(self, mark: int) -> None:
        """The transaction was rolled back: facts told inside it did not happen."""
        del self._gathered[mark:]
        self._fresh.clear()

    def _up(self) -> None:
        self._ready.clear()  # they are in the store, and come from there
        self._sent = self._kept
        self._catch_up()

    def _catch_up(self) -> None:
        self._ready.clear()
        while self._link.is_up and self._sent - self._kept < WINDOW_ROWS:
            rows = tuple(self._store.facts_after(self._sent, SEND_ROWS))
            if not rows:
                self._sent = max(self._sent, self._store.last_fact)
                return
            for part in _frames(rows):
                if not self._link.send(Facts(part, self._store.identity)):
                    return
                self._sent = part[-1][0]

    def _confirmed(self, message: FactsKept, _descriptors: tuple[int, ...]) -> None:
        is_ahead = message.last > self._store.last_fact
        if self.on_first is not None:
            self.on_first(is_ahead)
            self.on_first = None
        if is_ahead:
            self.on_ahead(message.last - self._store.last_fact)
            return
        self._kept = max(self._kept, message.last)
        self._trim = max(self._trim, message.last)
        self._catch_up()


def _frames(rows: Sequence[tuple[int, bytes]]) -> Iterator[tuple[tuple[int, bytes], ...]]:
    """Part rows into frames of about FACT_BYTES_MAX."""
    part: list[tuple[int, bytes]] = []
    held = 0
    for row in rows:
        if part and held + len(row[1]) > FACT_BYTES_MAX:
            yield tuple(part)
            part, held = [], 0
        part.append(row)
        held += len(row[1])
    yield tuple(part)
