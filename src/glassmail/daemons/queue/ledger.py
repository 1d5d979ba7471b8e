"""What the next transaction writes of deliveries: settled recipients, due times, ends, bounces.

Always:
    - What is entered stays until a transaction holds it; a rolled back one changes nothing here.
    - A message ends in the same transaction that holds its last result, and its bounce.
"""

from collections.abc import Iterable
from typing import NamedTuple

from glassmail.core.formats.bounce import NOT_REPEATED, Failure
from glassmail.core.route.rewrite import RoutingTables, strip_prepend
from glassmail.daemons.queue.active import Active
from glassmail.daemons.queue.facts import FactStream
from glassmail.daemons.queue.intake import Clock
from glassmail.daemons.queue.limits import BOUNCE_TEXTS_BYTES_MAX
from glassmail.events.queue import Bounced, Discarded, Ended
from glassmail.stations.bounce import Bounce, make_bounce
from glassmail.stations.bounce import Bounced as FailedMessage
from glassmail.store.control import Snapshot
from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.rows import LOCAL, REMOTE, Settlement


class Finished(NamedTuple):
    """A message whose last recipient was settled, and its failures for the bounce."""

    active: Active
    failures: list[Failure]


class Ledger:
    """Entries for the next transaction.

    Attributes:
        settlements: new states of recipients.
        due: per channel, next pass times (None: nothing waits there any more) and messages.
        finished: messages whose last recipient was settled.
    """

    def __init__(self, store: QueueStore, facts: FactStream) -> None:
        self._store = store
        self._facts = facts
        self.settlements: list[Settlement] = []
        self.due: dict[int, list[tuple[int | None, int]]] = {LOCAL: [], REMOTE: []}
        self.finished: list[Active] = []

    @property
    def is_waiting(self) -> bool:
        """Tell whether anything waits for a transaction."""
        return bool(self.settlements or self.finished or any(self.due.values()))

    def is_ending(self, message: int) -> bool:
        """Tell whether the next transaction ends a message."""
        return any(active.id == message for active in self.finished)

    def write(self) -> list[Finished]:
        """Write what digest prepared; inside the transaction. Returns the settled messages."""
        clean = {active.id for active in self.finished if not active.has_failures}
        self._store.settle([s for s in self.settlements if s.message not in clean])
        for channel, rows in self.due.items():
            if rows:
                self._store.set_due(channel, [row for row in rows if row[1] not in clean])
        return [Finished(active, self._failures(active)) for active in self.finished]

    def _failures(self, active: Active) -> list[Failure]:
        if not active.has_failures:
            return []
        failures = []
        left = BOUNCE_TEXTS_BYTES_MAX
        for address, _channel, text in self._store.failed(active.id):
            left -= len(text)
            failures.append(Failure(address, text if left >= 0 else NOT_REPEATED))
        return failures

    def bounce(
        self, done: Finished, settings: Snapshot, tables: RoutingTables, clock: Clock
    ) -> Bounce | None:
        """Make the bounce of a finished message; tells the log when one is discarded."""
        if not done.failures:
            return None
        active = done.active
        failures = [
            Failure(strip_prepend(failure.address, tables), failure.text)
            for failure in done.failures
        ]
        made = make_bounce(
            FailedMessage(active.sender, active.code, active.part),
            failures, settings, clock.seconds,
        )  # fmt: skip
        if isinstance(made, str):
            self._facts.tell(Discarded(clock.nanoseconds, active.id, made))
            return None
        return made

    def end(self, finished: Iterable[Finished], bounced: dict[int, int], clock: Clock) -> None:
        """Delete finished messages; inside the transaction, after their bounces are inserted."""
        plain: list[int] = []
        with_forwards: list[int] = []
        for done in finished:
            active = done.active
            (with_forwards if active.has_forwards else plain).append(active.id)
            if active.id in bounced:
                self._facts.tell(Bounced(clock.nanoseconds, active.id, bounced[active.id]))
            self._facts.tell(Ended(clock.nanoseconds, active.id))
        if plain:
            self._store.end(plain, has_forwards=False)
        if with_forwards:
            self._store.end(with_forwards, has_forwards=True)

    def committed(self) -> None:
        """A transaction holds all of it: begin an empty page."""
        self.finished.clear()
        self.settlements.clear()
        for rows in self.due.values():
            rows.clear()
