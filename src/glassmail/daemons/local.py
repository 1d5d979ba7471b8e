"""The local starter: finds out whose mail it is, has workers deliver it, tells the queue.

Purpose:
    Runs as root (or as the one user of a trial server). Takes jobs from the queue, looks every
    recipient's user up itself, gives each user's work to a worker that runs as that user, runs
    the rounds of syncfs that make the workers' files durable, and settles results.

Always:
    - uid and gid come from users/assign, the system's accounts or the alias home, never from the
      queue. Root is refused.
    - A result goes to the queue only when a sync that began after the worker's last move in the
      Maildirs has ended well (daemons.worker has the whole order).
    - A result belongs to the connection that brought its job; when that connection is gone, it
      is dropped, and the queue hands the job out again.
    - A worker that ends before its deliveries have ended leaves deferrals behind.
"""

import asyncio
import os
import socket
import time
from collections.abc import Sequence

import msgspec

from glassmail.core.formats.daemons import DaemonsError
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import NO, Step
from glassmail.core.route.users import User
from glassmail.daemons import local_forker
from glassmail.daemons.context import Context
from glassmail.daemons.life import Life, live
from glassmail.daemons.local_ledger import Ledger
from glassmail.daemons.local_limits import ASSIGNMENTS_MAX, IDLE_CHECK_S, STOP_S
from glassmail.daemons.local_messages import (
    Assignment,
    Device,
    Died,
    Done,
    Finished,
    FromWorker,
    MayRun,
    Publish,
    WantsRun,
    Work,
    Written,
)
from glassmail.daemons.local_pool import Key, Pool, WorkerHandle
from glassmail.daemons.local_programs import Places
from glassmail.daemons.local_rounds import Rounds
from glassmail.daemons.local_terms import terms_of
from glassmail.daemons.local_users import Users
from glassmail.events.process import Alerted, SettingBroken, Warned
from glassmail.net.link import Link
from glassmail.net.messages import Deliver, Job, Target
from glassmail.net.reporter import Reporter
from glassmail.stations.deliver_report import LOCAL_CRASHED
from glassmail.store.control import ControlError, Controls, Snapshot

ROLE = "local"
EXIT_SETTINGS = 111
NO_HOST = Report(Outcome.FAILURE, b"Sorry, address must include host name. (#5.1.3)\n")
GONE = b"The queue went away. (#4.3.0)\n"


def main(context: Context) -> int:
    """Be the local starter; return the exit code."""
    # Before anything that a worker must not inherit: threads, the loop, other people's mail.
    forker = local_forker.start(context.place.queue_socket)

    async def start(life: Life) -> None:
        try:
            Starter(life, forker).start()
        except (ControlError, DaemonsError, OSError) as error:
            os.write(2, f"local: {error}\n".encode())
            life.end(EXIT_SETTINGS)

    return live(context, start)


class Starter:
    """The starter's parts, and the deliveries under way."""

    def __init__(self, life: Life, forker: socket.socket) -> None:
        """Read the settings; raises ControlError, DaemonsError or OSError."""
        place = life.context.place
        self._life = life
        self._controls = Controls(place.control)
        self._reporter = Reporter(place.log_socket, ROLE)
        self._controls.tell_problems(
            lambda problem: self._reporter.tell(SettingBroken(time.time_ns(), ROLE, problem)),
            ROLE,
        )
        self._may_change = os.getuid() == 0 and not life.context.is_one_user
        self._users = Users(place, self._may_change, self._warn)
        self._link: Link[Deliver] = Link(
            place.queue_socket, ROLE, msgspec.msgpack.Decoder(Deliver), self._deliver
        )
        self._link.on_down = self._queue_gone
        self._pool = Pool(forker, self._heard, self._worker_gone, self._worker_died, self._lost)
        self._rounds = Rounds(self._controls.snapshot().line("syncmode"), self._alert)
        self._ledger = Ledger(self._link.send)
        self._places = Places(lambda: self._controls.snapshot().integer("maxprograms"))
        self._batches: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {}  # being fsynced
        self._is_stopping = False

    def start(self) -> None:
        """Connect to log and queue."""
        self._reporter.start()
        self._life.on_reload = self._reload
        self._life.on_stop = self._stop
        self._link.start()
        asyncio.get_running_loop().call_later(IDLE_CHECK_S, self._end_idle)

    # --- from the queue -------------------------------------------------------------------------

    def _deliver(self, message: Deliver, descriptors: tuple[int, ...]) -> None:
        unused = list(descriptors)
        if not self._is_stopping:  # else: the queue hands it out again after the restart
            settings = self._controls.snapshot()
            self._obey(settings)
            for job in message.jobs:
                descriptor = unused.pop(0) if job.body is None and unused else -1
                self._take(job, descriptor)
            self._pool.flush()
        for descriptor in unused:
            os.close(descriptor)

    def _take(self, job: Job, descriptor: int) -> None:
        groups: dict[Key, list[Assignment]] = {}
        for target in job.targets:
            local, at, host = target.address.rpartition(b"@")
            if not at:
                step = Step("delivery.host", target.address, NO, "spawn.c")
                self._ledger.refuse(target.delivery, NO_HOST._replace(steps=(step,)))
                continue
            found = self._users.find(local)
            if found.user is None:
                report = found.report or Report(Outcome.DEFERRAL, LOCAL_CRASHED)
                self._ledger.refuse(target.delivery, report._replace(steps=found.steps))
                continue
            task = self._ledger.take(target.delivery, found.steps)
            key = self._users.rights_of(found.user)
            groups.setdefault(key, []).append(_assign(task, target, local, host, found.user))
        now = asyncio.get_running_loop().time()
        for key, assigned in groups.items():
            for start in range(0, len(assigned), ASSIGNMENTS_MAX):
                given = os.dup(descriptor) if descriptor >= 0 else -1
                part = tuple(assigned[start : start + ASSIGNMENTS_MAX])
                self._pool.give(key, _work(job, part), given, now)
        if descriptor >= 0:
            os.close(descriptor)

    # --- from the workers -----------------------------------------------------------------------

    def _heard(
        self, handle: WorkerHandle, message: FromWorker, descriptors: tuple[int, ...]
    ) -> None:
        if isinstance(message, Device) and descriptors:
            self._rounds.learn(descriptors[0], handle.token)
            descriptors = descriptors[1:]
        elif isinstance(message, Written):
            self._written(handle, message)
        elif isinstance(message, Finished):
            self._finished(handle, message)
        elif isinstance(message, WantsRun):
            self._wants_run(handle, message.task)
        for number in descriptors:
            os.close(number)

    def _written(self, handle: WorkerHandle, message: Written) -> None:
        """A batch is in tmp/. Make its data durable, then have it moved."""
        if not self._rounds.knows(message.devices):
            self._hang_up(handle, "it names a filesystem that it did not show")
        elif self._rounds.wants_fsync(message.devices):
            self._order_fsync(handle, message)
        else:
            # The round that answers begins from now on: after the writes.
            self._rounds.join(
                message.devices,
                lambda is_well: (
                    handle.send(Publish(message.batch, by_fsync=False))
                    if is_well
                    else self._order_fsync(handle, message)
                ),
                is_patient=False,
            )

    def _order_fsync(self, handle: WorkerHandle, message: Written) -> None:
        now = asyncio.get_running_loop().time()
        self._batches[handle.token, message.batch] = (now, message.devices)
        handle.send(Publish(message.batch, by_fsync=True))

    def _finished(self, handle: WorkerHandle, message: Finished) -> None:
        """Deliveries have ended. Their moves count once a round from now on has ended well."""
        loop = asyncio.get_running_loop()
        began = self._batches.pop((handle.token, message.batch), None)
        if began is not None:
            self._rounds.batch_took(began[1], loop.time() - began[0])
        tasks = {done.task for done in message.dones}
        is_honest = len(tasks) == len(message.dones) and tasks <= handle.tasks
        if not is_honest or not self._rounds.knows(message.devices):
            self._hang_up(handle, "it answers for what it was not given")
            return
        handle.tasks -= tasks
        for task in tasks:
            self._places.leave(task)
        if tasks:
            self._rounds.join(
                message.devices, lambda is_well: self._moves_synced(message.dones, is_well)
            )
        self._pool.finished(handle, loop.time())

    def _moves_synced(self, dones: Sequence[Done], is_well: bool) -> None:
        self._ledger.close(dones, is_well)
        if self._is_stopping and self._ledger.is_empty:
            self._end()

    def _hang_up(self, handle: WorkerHandle, why: str) -> None:
        if handle.channel is not None:
            handle.channel.close(why)

    def _wants_run(self, handle: WorkerHandle, task: int) -> None:
        if task not in handle.tasks:
            self._hang_up(handle, "it wants to run what it was not given")
        elif not self._ledger.is_wanted(task):
            handle.send(MayRun(task, GONE))  # the queue hands it out again: do not run it twice
        else:
            self._places.want(task, handle)

    # --- changes and ends -----------------------------------------------------------------------

    def _obey(self, settings: Snapshot) -> None:
        self._users.set_break_character(settings.line("breakcharacter"))
        self._users.set_rebuild(settings.flag("assignrebuild"))
        self._rounds.set_mode(settings.line("syncmode"))
        refuses_programs = os.getuid() == 0 and not self._may_change
        self._pool.set_terms(terms_of(settings, self._life.context.place, refuses_programs))

    def _reload(self) -> None:
        self._controls.refresh()
        self._users.forget()
        self._obey(self._controls.snapshot())

    def _queue_gone(self, _reason: str) -> None:
        """Results of jobs taken so far can no longer be told; the queue hands them out again."""
        dropped = self._pool.drop_waiting()
        self._places.refuse_waiting(GONE)
        self._ledger.queue_gone(lambda task: task not in dropped)
        if self._is_stopping:
            self._end()

    def _worker_gone(self, handle: WorkerHandle, reason: str) -> None:
        if self._life.ended.is_set():
            return  # we hang up on all of them; the queue hands their work out again
        self._rounds.leave(handle.token)
        for key in [key for key in self._batches if key[0] == handle.token]:
            del self._batches[key]
        for task in handle.tasks:
            self._places.leave(task)
        count = self._ledger.break_off(sorted(handle.tasks), LOCAL_CRASHED)
        if count:
            text = f"the worker of uid {handle.key[0]} is gone ({reason}), {count} deferred"
            self._reporter.tell(Warned(time.time_ns(), ROLE, text))

    def _worker_died(self, key: Key, died: Died) -> None:
        if died.status:
            why = died.text or (
                f"signal {-died.status}" if died.status < 0 else f"exit {died.status}"
            )
            self._alert(f"the worker of uid {key[0]} ended: {why}")

    def _lost(self) -> None:
        if not self._life.ended.is_set():
            self._alert("the forker is gone; starting again")
            self._end(EXIT_SETTINGS)

    def _warn(self, text: str) -> None:
        self._reporter.tell(Warned(time.time_ns(), ROLE, text))

    def _alert(self, text: str) -> None:
        self._reporter.tell(Alerted(time.time_ns(), ROLE, text))

    def _end_idle(self) -> None:
        loop = asyncio.get_running_loop()
        self._pool.end_idle(loop.time())
        loop.call_later(IDLE_CHECK_S, self._end_idle)

    def _stop(self) -> None:
        """Take what is under way to its end, for a while."""
        if self._is_stopping or self._ledger.is_empty:
            self._end()
            return
        self._is_stopping = True
        asyncio.get_running_loop().call_later(STOP_S, self._end)

    def _end(self, exit_code: int = 0) -> None:
        if self._life.ended.is_set():
            return
        self._life.end(exit_code)
        self._ledger.flush()
        self._pool.close()
        self._rounds.close()
        self._link.close()
        self._reporter.close()


def _assign(task: int, target: Target, local: bytes, host: bytes, user: User) -> Assignment:
    return Assignment(
        task, target.number, target.key, local, host, user.name, user.home, user.dash, user.ext
    )


def _work(job: Job, assignments: tuple[Assignment, ...]) -> Work:
    return Work(
        job.message, job.sender, job.head, job.body, job.size, job.born, job.code, job.part,
        job.attempt, assignments,
    )  # fmt: skip
