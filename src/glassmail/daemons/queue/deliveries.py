"""Deliveries under way: starting passes, taking results, ending messages.

Purpose:
    Joins core.schedule.dispatch (what may start) with the store (what is due, what was settled)
    and the two delivery processes (who does it).

Always:
    - A recipient is settled only by the connection that was given its delivery.
    - When a delivery process goes away, what it had is started again, BREAKS_MAX times in one
      pass at most; then it waits for the next pass.
"""

from typing import NamedTuple

from glassmail.core.formats.bounce import GIVEN_UP
from glassmail.core.model.limits import REPORT_BYTES_MAX
from glassmail.core.model.trail import Step, Trail
from glassmail.core.route.remembered import routes
from glassmail.core.route.rewrite import Channel, RoutingTables
from glassmail.core.schedule.dispatch import Group, Lane, Pass, Recipient, Start
from glassmail.core.schedule.retry import next_attempt
from glassmail.daemons.queue.active import Active
from glassmail.daemons.queue.facts import FactStream
from glassmail.daemons.queue.intake import Clock, Taken
from glassmail.daemons.queue.ledger import Ledger
from glassmail.daemons.queue.limits import (
    BREAKS_MAX,
    DUE_PAGE,
    FRESH_BYTES_MAX,
    FRESH_PASSES_MAX,
    GATHERED_STARTS_MAX,
)
from glassmail.events.queue import Load, Settled, Started
from glassmail.net.messages import Result
from glassmail.store.control import Snapshot
from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.rows import LOCAL, REMOTE, Settlement, Stored, channel_name
from glassmail.store.queue.schema import DELIVERED, FAILED, WAITING

_STATES = {"K": DELIVERED, "Z": WAITING, "D": FAILED}
_CHANNELS = {LOCAL: Channel.LOCAL, REMOTE: Channel.REMOTE}
BROKEN_TEXT = b"Delivery process ended before it reported. (#4.3.0)\n"


class Delivery(NamedTuple):
    """A delivery under way."""

    turn: Pass[Active]
    recipient: Recipient
    group: Group
    began: int = 0  # seconds


class Outcome(NamedTuple):
    """A result that waits for the transaction."""

    delivery: int
    under_way: Delivery
    outcome: str
    text: bytes
    steps: Trail
    load: tuple[int, int, int, int, bool]


class Deliveries:
    """Passes, lanes and results of both channels."""

    def __init__(
        self, store: QueueStore, facts: FactStream, settings: Snapshot, tables: RoutingTables
    ) -> None:
        self._store = store
        self._facts = facts
        self.lanes = {
            LOCAL: Lane[Active](0, groups_recipients=False),
            REMOTE: Lane[Active](0, groups_recipients=True),
        }
        self.under_way: dict[int, Delivery] = {}
        self.actives: dict[int, Active] = {}
        self._passes: dict[int, set[int]] = {LOCAL: set(), REMOTE: set()}  # messages in memory
        self._steps: dict[tuple[int, int], Trail] = {}  # routing trails of fresh recipients
        self._backlog = {LOCAL: True, REMOTE: True}  # whether the store may hold due passes
        self._outcomes: list[Outcome] = []
        self.ledger = Ledger(store, facts)
        self._number = 0
        # Slots in use as the log was told: deliveries start and end in batches, but its status
        # lines count them one by one, as qmail's do.
        self._told = {LOCAL: 0, REMOTE: 0}
        self._fresh_bytes = 0
        self.is_stopping = False
        self.next_wake: int | None = None  # seconds since 1970 of the next pass that is known
        self.use(settings, tables)

    def use(self, settings: Snapshot, tables: RoutingTables) -> None:
        """Take the settings and tables read at start or reload."""
        self._settings = settings
        self._tables = tables
        self.lanes[LOCAL].limit = settings.integer("concurrencylocal")
        self.lanes[REMOTE].limit = settings.integer("concurrencyremote")

    def load(self) -> tuple[int, int, int, int, bool]:
        """Running and allowed deliveries for qmail's status line."""
        lanes, told = self.lanes, self._told
        return (
            told[LOCAL], lanes[LOCAL].limit, told[REMOTE], lanes[REMOTE].limit, self.is_stopping
        )  # fmt: skip

    # --- new messages ---

    def accept(self, taken: Taken) -> None:
        """A message was committed: let its passes wait in memory, if there is room."""
        new = taken.new
        channels = sorted({recipient.channel for recipient in new.recipients})
        held = len(new.data) if new.data is not None else 0
        passes = self.lanes[LOCAL].ready + self.lanes[REMOTE].ready
        if passes >= FRESH_PASSES_MAX or self._fresh_bytes + held > FRESH_BYTES_MAX:
            for channel in channels:
                self._backlog[channel] = True
            return
        stored = Stored(
            new.id, new.body, new.born, new.size, new.sender, new.uid, new.code, new.part,
            new.kind, new.origin, None, None, new.head, new.data, new.file,
        )  # fmt: skip
        if not channels:  # qmail-queue takes a message without recipients; it ends at once
            self.finish_by_hand(stored)
            return
        if new.body:  # a forward or bounce of a body that is elsewhere: read it when it starts
            for channel in channels:
                self._backlog[channel] = True
            return
        active = Active(stored, channels, fresh=True)
        self.actives[new.id] = active
        self._fresh_bytes += active.held_bytes
        for channel in channels:
            waiting = [
                Recipient(number, recipient.original, recipient.address)
                for number, recipient in enumerate(new.recipients)
                if recipient.channel == channel
            ]
            self._add_pass(active, channel, waiting, is_fresh=True)
        for number, steps in enumerate(taken.steps):
            self._steps[new.id, number] = steps

    def _add_pass(
        self, active: Active, channel: int, waiting: list[Recipient], *, is_fresh: bool
    ) -> None:
        self._passes[channel].add(active.id)
        self.lanes[channel].add(Pass(active.id, channel, active, waiting, is_fresh=is_fresh))

    # --- starting ---

    def may_gather(self, channel: int) -> bool:
        """Tell whether starts could wait for company: others run, and slots would stay free."""
        lane = self.lanes[channel]
        is_busy = lane.used > 0 and not self._backlog[channel]
        return is_busy and not lane.fills(GATHERED_STARTS_MAX)

    def start(self, channel: int, clock: Clock) -> list[Start[Active]]:
        """Take what may start on a channel now, reading due passes as slots allow."""
        if self.is_stopping:
            return []
        lane = self.lanes[channel]
        if self._backlog[channel] and lane.free > lane.ready:
            self._read_due(channel, clock)
        return lane.take()

    def _read_due(self, channel: int, clock: Clock) -> None:
        lane = self.lanes[channel]
        mine = len(self._passes[channel])
        wanted = min(DUE_PAGE, lane.free)
        rows = self._store.due(channel, clock.seconds, wanted + mine)
        fresh = [number for _due, number in rows if number not in self._passes[channel]]
        for number in fresh[:wanted]:
            self._read_pass(number, channel)
        self._backlog[channel] = len(rows) == wanted + mine or len(fresh) > wanted

    def _read_pass(self, number: int, channel: int) -> None:
        if self.ledger.is_ending(number):
            return
        waiting = [Recipient(*row) for row in self._store.waiting(number, channel)]
        stored = self._store.load(number)
        if stored is None:
            return
        active = self.actives.get(number)
        if active is None:
            channels = [
                c for c, due in ((LOCAL, stored.due_local), (REMOTE, stored.due_remote))
                if due is not None
            ]  # fmt: skip
            active = Active(stored, channels, fresh=False)
            self.actives[number] = active
            self._fresh_bytes += active.held_bytes
        active.fresh = False  # of what is read back, somebody may have tried to deliver it
        if waiting:
            for recipient in waiting:
                self._steps[number, recipient.number] = self._routed(recipient)
            self._add_pass(active, channel, waiting, is_fresh=False)
        else:  # settled by hand, or a crash came between the last result and the end
            self._channel_done(active, channel)

    def _routed(self, recipient: Recipient) -> Trail:
        """Tell how a recipient read back was routed: as now, or by tables that changed since."""
        routed = routes.find(recipient.original, self._tables)
        if routed.address == recipient.address:
            return routed.steps
        shown = recipient.address.decode("utf-8", "backslashreplace")
        return (Step("queueing.routed", recipient.original, shown, "when it was accepted"),)

    def _channel_done(self, active: Active, channel: int) -> None:
        self.ledger.due[channel].append((None, active.id))
        active.channels.discard(channel)
        if not active.channels:
            self.ledger.finished.append(active)
        elif not any(active.id in self._passes[other] for other in active.channels):
            self.forget(active.id)

    def finish_by_hand(self, stored: Stored) -> None:
        """End a message whose recipients an administrator settled, with the next transaction."""
        if self.ledger.is_ending(stored.id):
            return
        active = Active(stored, (), fresh=False)
        self.actives[stored.id] = active
        self._fresh_bytes += active.held_bytes
        self.ledger.finished.append(active)

    def withdraw(self, message: int) -> bool:
        """Take a message's passes off the lanes; False when a delivery of it is under way."""
        if self.ledger.is_ending(message) or self._running(message):
            return False
        for channel, lane in self.lanes.items():
            lane.remove(message)
            self._passes[channel].discard(message)
        self.forget(message)
        self._steps = {key: trail for key, trail in self._steps.items() if key[0] != message}
        return True

    def cut_short(self, message: int) -> None:
        """Start nobody else of the passes under way; they go on at their next due time."""
        for turn in self._running(message):
            turn.cut_short()
            self.lanes[turn.channel].remove(message)

    def _running(self, message: int) -> list[Pass[Active]]:
        return [d.turn for d in self.under_way.values() if d.turn.message == message]

    def begin(self, start: Start[Active], clock: Clock) -> list[int]:
        """Number the deliveries of a start and tell them; return their numbers."""
        turn = start.turn
        if not turn.next_due:
            born = turn.carries.born
            turn.next_due = next_attempt(born, clock.seconds, _CHANNELS[turn.channel])
            turn.is_dying = clock.seconds > born + self._settings.integer("queuelifetime")
        numbers = []
        channel = channel_name(turn.channel)
        for index, recipient in enumerate(start.recipients):
            if index == 0 or turn.channel == LOCAL:
                self._told[turn.channel] += 1
            self._number += 1
            numbers.append(self._number)
            self.under_way[self._number] = Delivery(turn, recipient, start.group, clock.seconds)
            steps = self._steps.pop((turn.message, recipient.number), ())
            self._facts.tell(
                Started(clock.nanoseconds, turn.message, self._number, recipient.number, channel,
                        recipient.address, steps, self.load())
            )  # fmt: skip
        return numbers

    # --- results ---

    def report(self, result: Result) -> bool:
        """Take a result from a delivery process; False when that delivery is not under way."""
        under_way = self.under_way.pop(result.delivery, None)
        if under_way is None:
            return False
        self._take(result.delivery, under_way, result.outcome, result.text, result.steps)
        return True

    def _take(
        self, number: int, under_way: Delivery, outcome: str, text: bytes, steps: tuple[Step, ...]
    ) -> None:
        text = text[:REPORT_BYTES_MAX]
        turn = under_way.turn
        turn.running -= 1
        self._release(turn.channel, under_way.group)
        if outcome == "Z" and turn.is_dying:
            outcome = "D"
            text = (text if not text or text.endswith(b"\n") else text + b"\n") + GIVEN_UP
        if outcome == "Z":
            turn.is_deferred = True
        self._outcomes.append(Outcome(number, under_way, outcome, text, steps, self.load()))

    def _release(self, channel: int, group: Group) -> None:
        lane = self.lanes[channel]
        before = lane.used
        lane.release(group)
        self._told[channel] -= before - lane.used

    def broke(self, channel: int, clock: Clock) -> None:
        """The delivery process of a channel went away: start its deliveries anew, or defer them."""
        lost = [(n, d) for n, d in self.under_way.items() if d.turn.channel == channel]
        turns: set[int] = set()
        for number, under_way in lost:
            del self.under_way[number]
            turn = under_way.turn
            turn.carries.fresh = False
            turn.breaks += id(turn) not in turns
            turns.add(id(turn))
            is_listed = bool(turn.waiting or turn.groups)
            if turn.breaks > BREAKS_MAX:
                self._take(number, under_way, "Z", BROKEN_TEXT, ())
                continue
            turn.running -= 1
            self._release(channel, under_way.group)
            self._tell_settled(
                Outcome(number, under_way, "Z", BROKEN_TEXT, (), self.load()), clock,
                retry_at=clock.seconds,
            )  # fmt: skip
            turn.waiting.append(under_way.recipient)
            if not is_listed:
                self.lanes[channel].add(turn)

    @property
    def is_waiting(self) -> bool:
        """Tell whether results wait for a commit."""
        return bool(self._outcomes) or self.ledger.is_waiting

    @property
    def waiting(self) -> int:
        """Results that wait for a commit."""
        return len(self._outcomes)

    def digest(self, clock: Clock) -> None:
        """Turn results into what the next transaction writes; tells the log of each."""
        for outcome in self._outcomes:
            self._digest(outcome, clock)
        self._outcomes.clear()

    def _digest(self, result: Outcome, clock: Clock) -> None:
        turn = result.under_way.turn
        active = turn.carries
        self._tell_settled(result, clock)
        active.has_failures = active.has_failures or result.outcome == "D"
        text = b"" if result.outcome == "K" else result.text
        number = result.under_way.recipient.number
        self.ledger.settlements.append(Settlement(active.id, number, _STATES[result.outcome], text))
        if not turn.is_over or active.id not in self._passes[turn.channel]:
            return
        self._passes[turn.channel].discard(active.id)
        if not turn.is_deferred:
            self._channel_done(active, turn.channel)
            return
        self.ledger.due[turn.channel].append((turn.next_due, active.id))
        if self.next_wake is None or turn.next_due < self.next_wake:
            self.next_wake = turn.next_due
        if not any(active.id in self._passes[channel] for channel in active.channels):
            self.forget(active.id)

    def _tell_settled(self, result: Outcome, clock: Clock, retry_at: int = 0) -> None:
        turn, recipient, _group, _began = result.under_way
        if result.outcome == "Z" and not retry_at:
            retry_at = turn.next_due
        self._facts.tell(
            Settled(
                at=clock.nanoseconds,
                message=turn.message,
                delivery=result.delivery,
                number=recipient.number,
                channel=channel_name(turn.channel),
                address=recipient.address,
                outcome=result.outcome,
                text=result.text,
                retry_at=retry_at,
                steps=result.steps,
                load=result.load,
            )
        )

    def committed(self) -> None:
        """The results are durable: forget what is done."""
        for active in self.ledger.finished:
            self.forget(active.id)
        self.ledger.committed()

    def forget(self, number: int) -> None:
        """Drop what memory holds of a message."""
        active = self.actives.pop(number, None)
        if active is not None:
            self._fresh_bytes -= active.held_bytes

    def nudge(self, channel: int) -> None:
        """The store may hold due passes on this channel."""
        self._backlog[channel] = True

    def look_ahead(self, clock: Clock) -> None:
        """Ask the store when the next pass is due."""
        known = [self._store.next_due(channel, clock.seconds) for channel in (LOCAL, REMOTE)]
        self.next_wake = min((due for due in known if due is not None), default=None)

    def tell_load(self, clock: Clock) -> None:
        """Tell qmail's status line."""
        self._facts.tell(Load(clock.nanoseconds, *self.load()))
