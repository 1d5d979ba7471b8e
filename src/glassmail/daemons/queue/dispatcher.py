"""Handing deliveries to the local and remote processes, in frames of bounded size."""

import os

from glassmail.core.route.verp import delivery_sender
from glassmail.core.schedule.dispatch import Start
from glassmail.daemons.queue.active import Active
from glassmail.daemons.queue.deliveries import Deliveries
from glassmail.daemons.queue.intake import Capability, Clock
from glassmail.daemons.queue.limits import (
    GATHER_STARTS_S,
    JOB_BYTES_MAX,
    JOBS_BYTES_MAX,
    JOBS_MAX,
)
from glassmail.daemons.queue.peers import Peer
from glassmail.net.messages import Deliver, Job, Result, Target
from glassmail.store.queue.disk import QueueDisk
from glassmail.store.queue.rows import LOCAL, REMOTE

_ROLES = {"local": LOCAL, "remote": REMOTE}
_VERP_END = b"-@[]"
NO_BODY_TEXT = b"The queue cannot read the message's file: %s (#4.3.0)\n"
TOO_LONG_TEXT = b"The lines above the message are too long to hand on. (#4.3.0)\n"


class Dispatcher:
    """Which process delivers on which channel, and what it is given."""

    def __init__(self, deliveries: Deliveries, disk: QueueDisk, capability: Capability) -> None:
        self._deliveries = deliveries
        self._disk = disk
        self._capability = capability
        self._peers: dict[int, Peer] = {}
        self._local_started = 0.0  # seconds since 1970 of the last local start

    def connected(self, peer: Peer, clock: Clock) -> None:
        """A delivery process said hello; it replaces an older one."""
        channel = _ROLES[peer.role]
        older = self._peers.pop(channel, None)
        if older is not None:
            self._deliveries.broke(channel, clock)
            older.role = "client"
            older.close("replaced by a newer process")
        self._peers[channel] = peer
        self._deliveries.nudge(channel)

    def gone(self, peer: Peer, clock: Clock) -> None:
        """A delivery process went away; what it had is started anew with the next one."""
        channel = _ROLES.get(peer.role)
        if channel is not None and self._peers.get(channel) is peer:
            del self._peers[channel]
            self._deliveries.broke(channel, clock)

    def is_from(self, peer: Peer) -> bool:
        """Tell whether results of this peer count."""
        channel = _ROLES.get(peer.role)
        return channel is not None and self._peers.get(channel) is peer

    def run(self, clock: Clock) -> float:
        """Start what may start.

        Local deliveries that others are ahead of by less than GATHER_STARTS_S wait for company:
        each batch has its price in the starter, its workers and two syncs.

        Returns:
            Seconds after which to run again for those that wait; 0 when none does.
        """
        wait = 0.0
        for channel, peer in list(self._peers.items()):
            if channel == LOCAL and self._deliveries.lanes[LOCAL].ready:
                now = clock.nanoseconds / 1e9
                since = now - self._local_started
                if 0 <= since < GATHER_STARTS_S and self._deliveries.may_gather(LOCAL):
                    wait = GATHER_STARTS_S - since
                    continue
                self._local_started = now
            starts = self._deliveries.start(channel, clock)
            if starts:
                self._send(peer, starts, clock)
        return wait

    def _send(self, peer: Peer, starts: list[Start[Active]], clock: Clock) -> None:
        jobs: list[Job] = []
        held = 0
        for start in starts:
            numbers = self._deliveries.begin(start, clock)
            for job in self._jobs(start, numbers):
                size = len(job.body or b"") + len(job.head)
                if size > JOB_BYTES_MAX:
                    self._defer(job, TOO_LONG_TEXT)
                    continue
                if job.body is None and start.turn.carries.file is not None:
                    self._send_file(peer, job, start.turn.carries.file)
                    continue
                if jobs and (held + size > JOBS_BYTES_MAX or len(jobs) >= JOBS_MAX):
                    peer.send(Deliver(tuple(jobs)))
                    jobs, held = [], 0
                jobs.append(job)
                held += size
        if jobs:
            peer.send(Deliver(tuple(jobs)))

    def _send_file(self, peer: Peer, job: Job, name: str) -> None:
        try:
            descriptor = self._disk.open_body(name)
        except OSError as error:
            self._defer(job, NO_BODY_TEXT % (error.strerror or "").encode())
            return
        try:
            size = os.fstat(descriptor).st_size
            if size != job.size - len(job.head):  # never deliver a part as if it were the whole
                reason = b"%d bytes instead of %d" % (size, job.size - len(job.head))
                self._defer(job, NO_BODY_TEXT % reason)
                return
            peer.send(Deliver((job,)), (descriptor,))
        except OSError as error:  # no descriptor left for the copy that is sent
            self._defer(job, NO_BODY_TEXT % (error.strerror or "").encode())
        finally:
            os.close(descriptor)

    def _defer(self, job: Job, text: bytes) -> None:
        for target in job.targets:
            self._deliveries.report(Result(target.delivery, "Z", text, ()))

    def _jobs(self, start: Start[Active], numbers: list[int]) -> list[Job]:
        turn = start.turn
        active = turn.carries
        key = self._capability.key
        targets = [
            Target(number, r.number, r.address, r.original, key(active.id, r.number))
            for number, r in zip(numbers, start.recipients, strict=True)
        ]
        if active.sender.endswith(_VERP_END) and active.sender != b"#@[]":
            # VERP: the sender names the recipient, so every recipient is a job of its own.
            return [
                self._job(turn.is_dying, active, delivery_sender(active.sender, t.original), (t,))
                for t in targets
            ]
        return [self._job(turn.is_dying, active, active.sender, tuple(targets))]

    def _job(
        self, is_dying: bool, active: Active, sender: bytes, targets: tuple[Target, ...]
    ) -> Job:
        return Job(
            message=active.id,
            sender=sender,
            head=active.head,
            body=active.data,
            size=active.size,
            born=active.born,
            code=active.code,
            part=active.part,
            dying=is_dying,
            targets=targets,
            attempt=0 if active.fresh else 1,
        )
