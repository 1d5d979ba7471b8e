"""The queue process: one loop, one connection, one transaction at a time.

Everything that arrived since the last commit goes into the next one (group commit). The
commit itself blocks the loop: while the disk works, the sockets gather.
"""

import asyncio
import os
import pwd
import sys
import time
import traceback
from collections.abc import Callable

import apsw

from glassmail.core.route.rewrite import RoutingTables
from glassmail.daemons.life import Life
from glassmail.daemons.queue.deliveries import Deliveries
from glassmail.daemons.queue.dispatcher import Dispatcher
from glassmail.daemons.queue.drop import DropBox
from glassmail.daemons.queue.facts import END_IS_GONE, SKIPPED_A_BATCH, FactStream
from glassmail.daemons.queue.intake import Capability, Clock, Incoming, Intake, Taken
from glassmail.daemons.queue.ledger import Finished
from glassmail.daemons.queue.limits import (
    ALARM_CHUNK,
    FACTS_WAIT_S,
    GATHER_FROM,
    GATHER_S,
    LONGEST_SLEEP_S,
)
from glassmail.daemons.queue.peers import Peer
from glassmail.daemons.queue.space import Space
from glassmail.events.process import Alerted, SettingBroken, Warned
from glassmail.events.queue import Exiting
from glassmail.net.messages import Enqueue
from glassmail.net.reporter import Reporter
from glassmail.store.control import Controls, Snapshot
from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.disk import QueueDisk
from glassmail.store.queue.rows import LOCAL, REMOTE
from glassmail.store.queue.salvage import is_damage
from glassmail.store.queue.salvage import mark as mark_damaged

EXIT_STORE_BROKEN = 111
ROUTING_SETTINGS = ("envnoathost", "locals", "me", "percenthack", "virtualdomains")


def routing_tables(settings: Snapshot) -> RoutingTables:
    """The tables that recipients are rewritten by, as of start or reload."""
    return RoutingTables(
        settings.line("envnoathost"),
        settings.table("percenthack"),
        settings.table("locals"),
        settings.table("virtualdomains"),
    )


class QueueProcess:
    """What the parts of the queue share, and the commit that joins them."""

    def __init__(self, life: Life, store: QueueStore, disk: QueueDisk, controls: Controls) -> None:
        self.life = life
        self.store = store
        self.disk = disk
        self.controls = controls
        self.settings = controls.snapshot()
        self.tables = routing_tables(self.settings)
        place = life.context.place
        self.reporter = Reporter(place.log_socket, "queue")
        self.facts = FactStream(store, place.log_socket)
        self.capability = Capability()
        self.intake = Intake(store, disk, self.capability)
        self.intake.alias_uid = _alias_uid(life)
        self.deliveries = Deliveries(store, self.facts, self.settings, self.tables)
        self.dispatcher = Dispatcher(self.deliveries, disk, self.capability)
        self.space = Space(disk, self.intake, self)
        self.drop = DropBox(place.queue_drop, place.queue_aside, disk, self.intake, self)
        self.orders: list[Callable[[], None]] = []  # further changes, inside a transaction
        self.after_commit: list[Callable[[], None]] = []
        self._loop = asyncio.get_running_loop()
        self._is_scheduled = False
        self._last_batch = 0  # messages and results of the last commit
        self._facts_timer: asyncio.TimerHandle | None = None
        self._starts_timer: asyncio.TimerHandle | None = None
        self._wake_timer: asyncio.TimerHandle | None = None
        self._wake_at: int | None = None
        self._has_told_end = self._has_told_gap = False
        self.facts.on_ahead = self._end_is_gone
        self._is_broken = False  # the store failed; the process is about to end

    @property
    def fingerprint(self) -> dict[str, str]:
        """Which contents of the tables this process routes by."""
        return self.controls.fingerprints(ROUTING_SETTINGS)

    def clock_now(self) -> Clock:
        """The time of now."""
        now = time.time_ns()
        return Clock(now // 1_000_000_000, now)

    @property
    def is_ending(self) -> bool:
        """Whether the process is about to end."""
        return self._is_broken or self.life.ended.is_set()

    # --- the commit ---

    def start(self) -> None:
        """Begin: tell the load, take in dropped messages, start what is due."""
        self.reporter.start()
        self.facts.start()
        self.deliveries.tell_load(self.clock_now())
        self.deliveries.look_ahead(self.clock_now())
        if not self.disk.has_reserve() and not self.disk.make_reserve():
            self.intake.is_full = True
            self.alert("there is no room for the reserve on the queue's disk: no mail is taken")
            self.space.watch()
        self.drop.start()
        self.schedule()

    def schedule(self) -> None:
        """Commit at the end of this round of the loop."""
        if self._is_scheduled:
            return
        self._is_scheduled = True
        if self._last_batch < GATHER_FROM:
            self._loop.call_soon(self._round)
        else:
            self._loop.call_later(GATHER_S, self._round)

    def _round(self) -> None:
        self._is_scheduled = False
        if self._has_failed() or self.life.ended.is_set():
            return
        try:
            self._carry_on(self.clock_now())
        except Exception as error:  # noqa: BLE001 (what memory holds may be half-done)
            if not isinstance(error, apsw.Error):
                traceback.print_exc(file=sys.stderr)
            self._broken(self.facts.mark, error)

    def _carry_on(self, clock: Clock) -> None:
        self.space.check(self.settings.integer("queueminfree"))
        self._last_batch = self.intake.waiting + self.deliveries.waiting
        self.deliveries.digest(clock)
        if self._commit(clock):
            self._checkpoint()
            for name in self.store.dead_files:
                self.disk.remove_body(name)
            self.store.dead_files.clear()
        if self._has_failed():
            return
        wait = 0.0 if self.intake.is_full else self.dispatcher.run(clock)
        if wait and self._starts_timer is None:
            self._starts_timer = self._loop.call_later(wait, self._starts_due)
        self._after(clock)

    def _starts_due(self) -> None:
        self._starts_timer = None
        if not self._is_scheduled:
            self._round()

    def _has_failed(self) -> bool:
        return self._is_broken

    def _checkpoint(self) -> None:
        try:
            self.store.checkpoint_if_long()
        except apsw.FullError:
            self._full(self.facts.mark)
        except apsw.Error as error:
            self._broken(self.facts.mark, error)

    def _commit(self, clock: Clock) -> bool:
        mark = self.facts.mark
        try:
            with self.store.transaction():
                taken = self.intake.write(clock, self.tables)
                finished = self.deliveries.ledger.write()
                self._write_ends(finished, clock)
                handed_in = self.intake.handed_in()
                for new in taken:
                    message = handed_in[new.new.id]
                    self.facts.tell(self.intake.accepted(new, clock, message))
                    if message.is_held:
                        self.facts.tell(self.intake.hold(new, clock))
                for order in self.orders:
                    order()
                self.facts.write()
        except apsw.FullError:
            self._full(mark)
            return False
        except (apsw.Error, OSError) as error:
            self._broken(mark, error)
            return False
        self.orders.clear()
        self.facts.committed()
        self.deliveries.committed()
        for new in taken:
            if not handed_in[new.new.id].is_held:
                self._note(new)
        self.intake.committed()
        after, self.after_commit = self.after_commit, []
        for call in after:
            call()
        return True

    def _note(self, taken: Taken) -> None:
        origin = self.deliveries.actives.get(taken.new.origin)
        if origin is not None and taken.new.kind == "forward":
            origin.has_forwards = True
        self.deliveries.accept(taken)

    def _write_ends(self, finished: list[Finished], clock: Clock) -> None:
        """End settled messages; their bounces are told after the ends, as qmail does."""
        bounces: dict[int, Taken] = {}
        for done in finished:
            bounce = self.deliveries.ledger.bounce(done, self.settings, self.tables, clock)
            if bounce is not None:
                bounces[done.active.id] = self.intake.write_bounce(
                    done.active, bounce, clock, self.tables
                )
        self.deliveries.ledger.end(
            finished, {failed: b.new.id for failed, b in bounces.items()}, clock
        )
        for taken in bounces.values():
            self.facts.tell(self.intake.accepted(taken, clock, None))
            for recipient in taken.new.recipients:
                self.deliveries.nudge(recipient.channel)

    def _full(self, mark: int) -> None:
        """The disk is full: decline what came, free the reserve so that results can be settled."""
        self.facts.undone(mark)
        self.store.undone()
        self.after_commit.clear()
        if not self.intake.is_full:
            self.intake.is_full = True
            self.alert("the queue's disk is full: no mail is taken and no delivery started "
                        "until there is room")  # fmt: skip
        self.intake.undone()
        self.disk.free_reserve()
        self.space.is_out = True
        self.space.watch()

    def _broken(self, mark: int, error: Exception) -> None:
        """The store failed: end, so that a new process recovers from what the disk holds.

        After a failed sync the same descriptor may report success for data that is gone, so
        nothing is tried again here; everybody who waits is told to try later.
        """
        self._is_broken = True
        self.intake.is_full = True  # declines what still comes
        self.facts.undone(mark)
        self.store.undone()
        self.intake.undone(may_be_found_again=True)
        if is_damage(error):
            mark_damaged(self.life.context.place.path("queue"))
        self.alert(f"the queue store failed ({error}); starting again")
        self._loop.call_later(0.1, self.life.end, EXIT_STORE_BROKEN)

    def _after(self, clock: Clock) -> None:
        if self.orders or self.intake.is_waiting or self.deliveries.is_waiting:
            if not self.space.is_out:  # on a full disk a timer tries again
                self.schedule()
            return
        if self.facts.is_waiting and self._facts_timer is None:
            self._facts_timer = self._loop.call_later(FACTS_WAIT_S, self._facts_due)
        self._set_wake(clock)
        if self.deliveries.is_stopping and not self.deliveries.under_way:
            self._finish(clock)

    def _facts_due(self) -> None:
        self._facts_timer = None
        if self.facts.is_waiting:
            self.schedule()

    def _set_wake(self, clock: Clock) -> None:
        """Sleep until the next pass that is known to be due."""
        due = self.deliveries.next_wake
        if due is None or due == self._wake_at:
            return
        if self._wake_timer is not None:
            self._wake_timer.cancel()
        self._wake_at = due
        wait = max(0.05, due - clock.nanoseconds / 1e9)
        self._wake_timer = self._loop.call_later(min(wait, LONGEST_SLEEP_S), self._wake)

    def _wake(self) -> None:
        self._wake_timer, self._wake_at = None, None
        self.wake()

    def wake(self) -> None:
        """Look into the store for passes that are due."""
        self.deliveries.nudge(LOCAL)
        self.deliveries.nudge(REMOTE)
        self.deliveries.look_ahead(self.clock_now())
        self.schedule()

    # --- what others ask ---

    def enqueue(self, peer: Peer, message: Enqueue) -> None:
        """Take a message in with the next commit."""
        self.intake.add(peer, message)
        self.schedule()

    def take_dropped(self, incoming: Incoming) -> None:
        """Take in a message from the drop directory."""
        self.intake.add_incoming(incoming)
        self.schedule()

    def forget_drops(self, present: set[str]) -> None:
        """Forget taken files of the drop directory once their removal is durable."""
        gone = [name for name in self.store.drops() if name not in present]
        if not gone:
            return
        descriptor = os.open(self.life.context.place.queue_drop, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.orders.append(lambda: self.store.forget_drops(gone))
        self.schedule()

    def reload(self) -> None:
        """HUP: read the settings again; a broken file keeps its last good value."""
        self.controls.refresh()
        self.settings = self.controls.snapshot()
        self.tables = routing_tables(self.settings)
        self.deliveries.use(self.settings, self.tables)
        self.schedule()

    def alarm(self) -> None:
        """ALRM: every waiting recipient is due now."""
        clock = self.clock_now()

        def order() -> None:
            moved = [self.store.all_due(c, clock.seconds, ALARM_CHUNK) for c in (LOCAL, REMOTE)]
            if max(moved) == ALARM_CHUNK:
                self._loop.call_soon(self.alarm)

        self.orders.append(order)
        self.deliveries.nudge(LOCAL)
        self.deliveries.nudge(REMOTE)
        self.schedule()

    def stop(self) -> None:
        """TERM: start nothing new, finish what runs, end."""
        if not self.deliveries.is_stopping:
            self.deliveries.is_stopping = True
            self.deliveries.tell_load(self.clock_now())
            self.schedule()

    def _finish(self, clock: Clock) -> None:
        """Nothing runs any more: tell it, and end once that is committed."""
        if not self._has_told_end:
            self._has_told_end = True
            self.facts.tell(Exiting(clock.nanoseconds))
            self.schedule()
        elif not self.facts.is_waiting and not self.life.ended.is_set():
            self.facts.close()
            self.reporter.close()
            self.store.close()
            self.life.end()

    def _end_is_gone(self, batches: int) -> None:
        """The log holds later facts than the store: a torn end of the WAL is dropped silently."""
        if self._has_told_gap:
            return
        self._has_told_gap = True
        self.alert(END_IS_GONE % batches)
        self.store.skip_messages(batches * SKIPPED_A_BATCH)
        self.orders.append(self.facts.count_anew)
        self.schedule()

    def setting_broken(self, problem: str) -> None:
        """A control file cannot be used; its last good value stays."""
        self.reporter.tell(SettingBroken(time.time_ns(), "queue", problem))

    def alert(self, text: str) -> None:
        """Tell an alert."""
        self.reporter.tell(Alerted(time.time_ns(), "queue", text))

    def warn(self, text: str) -> None:
        """Tell a warning."""
        self.reporter.tell(Warned(time.time_ns(), "queue", text))


def _alias_uid(life: Life) -> int:
    known = life.context.uids.get("alias")
    if known is not None and not life.context.is_one_user:
        return known[0]
    if life.context.is_one_user:
        return -1
    try:
        return pwd.getpwnam("alias").pw_uid
    except KeyError:
        return -1
