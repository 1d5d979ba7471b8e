"""A worker: carries out deliveries as one user and group, many at once, one sync for all.

Purpose:
    A plain process without threads or event loop. It takes work from the starter, runs each
    delivery (stations.deliver) until it waits for something, and answers the wants of all of
    them together.

The order that makes success true, for files in Maildirs:
    1. Every file of a batch is written to tmp/ by write(2); then `Written` goes to the starter.
    2. The starter begins a syncfs of the filesystem after that, and says `Publish` when it has
       ended well: the data of the batch is durable.
    3. Only now the files are moved to new/; then `Finished` goes to the starter with the results.
    4. The starter begins another syncfs after that; when it has ended well, the moves are
       durable, and it tells the queue.
    With `Publish(by_fsync)` steps 2 to 4 happen here (store.maildir.commit), and `Finished` names
    no filesystem.

Always:
    - What may block (programs, locks) runs in a child of its own, when the starter allows it.
    - When the starter is gone, so is the worker, and its children are told to end.
"""

import os
import select
import socket
import sys
import traceback
from collections.abc import Callable

from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.route.users import User
from glassmail.daemons.local_limits import RESULTS_MAX
from glassmail.daemons.local_messages import (
    Device,
    Done,
    Finished,
    FromWorker,
    MayRun,
    Publish,
    TermsNow,
    WantsRun,
    Work,
    Works,
    Written,
    to_worker,
)
from glassmail.daemons.worker_child import Child, bounded
from glassmail.daemons.worker_queue import QueueLine
from glassmail.net.blocking import BlockingChannel
from glassmail.net.messages import encode
from glassmail.stations.deliver import Looks, deliver
from glassmail.stations.deliver_cache import Glance
from glassmail.stations.deliver_report import LOCAL_CRASHED
from glassmail.stations.deliver_requests import Forward
from glassmail.stations.deliver_wants import Alone, Commit, Course, Task, Terms
from glassmail.stations.programs import Limits
from glassmail.store.letter import Letter
from glassmail.store.maildir import Folders, MaildirError, commit, publish

CANNOT_FORK = b"qmail-spawn unable to fork. (#4.3.0)\n"


class UnderWay:
    """One delivery of this worker.

    Attributes:
        devices: filesystems with its moves, which are durable only after the next sync there.
        want: what a child shall carry out.
    """

    __slots__ = ("course", "devices", "number", "task", "want")

    def __init__(self, number: int, task: Task, course: Course) -> None:
        self.number = number
        self.task = task
        self.course = course
        self.devices: set[int] = set()
        self.want: Alone | None = None


Entry = tuple[UnderWay, Commit]


class Worker:
    """The worker's state between frames."""

    def __init__(self, sock: socket.socket, queue_path: str) -> None:
        self._channel = BlockingChannel(sock)
        self._queue_path = queue_path
        self._rights = (os.getuid(), os.getgid())
        self._queue = QueueLine(queue_path)
        self._folders = Folders()
        self._glance = Glance(self._folders)
        self._looks = Looks(self._glance.find, self._glance.decide)
        self._terms: Terms | None = None
        self._told_devices: set[int] = set()
        self._staged: list[Entry] = []  # written, not yet told
        self._batches: dict[int, list[Entry]] = {}  # told, waiting for Publish
        self._batch = 0
        self._dones: list[Done] = []
        self._done_devices: set[int] = set()
        self._alone: dict[int, UnderWay] = {}  # waiting for a place
        self._children: dict[int, Child] = {}  # by descriptor

    def run(self) -> None:
        """Work until the starter hangs up."""
        try:
            while self._turn():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # it went without reading all that we had to say; other troubles of this kind
            # (the queue's, a program's) are caught where they arise
        finally:
            for child in self._children.values():
                child.stop()

    def _turn(self) -> bool:
        poller = select.poll()
        channel = self._channel.sock.fileno()
        poller.register(channel, select.POLLIN)
        if self._queue.descriptor >= 0:
            poller.register(self._queue.descriptor, select.POLLIN)
        for descriptor in self._children:
            poller.register(descriptor, select.POLLIN)
        for descriptor, _event in poller.poll(self._queue.wait_ms()):
            if descriptor == channel:
                if not self._hear():
                    return False
            elif descriptor in self._children:
                self._child(descriptor)
            else:
                self._queue.readable()
        self._queue.expire()
        self._tell()
        return True

    # --- from the starter -----------------------------------------------------------------------

    def _hear(self) -> bool:
        while True:
            received = self._channel.receive()
            if received is None:
                return False
            payload, descriptors = received
            self._obey(to_worker.decode(payload), descriptors)
            if not self._channel.has_frame:
                return True

    def _obey(
        self, message: TermsNow | Works | Publish | MayRun, descriptors: tuple[int, ...]
    ) -> None:
        if isinstance(message, Works):
            with self._glance:
                for work in message.works:
                    self._begin(work, descriptors[0] if descriptors else -1)
        elif isinstance(message, Publish):
            self._publish(message)
        elif isinstance(message, MayRun):
            self._go_alone(self._alone.pop(message.task), message.refusal)
        else:
            self._terms = Terms(
                message.default_delivery,
                message.host_name,
                message.path,
                Limits(message.seconds, message.memory_bytes),
                message.refuses_programs,
                message.own_directories,
                message.environment,
                message.break_character,
            )

    def _begin(self, work: Work, descriptor: int) -> None:
        assert self._terms is not None  # the starter's first frame
        letter = Letter(work.head, work.body, descriptor, work.size)
        letter.users = len(work.assignments)
        for given in work.assignments:
            user = User(given.name, *self._rights, given.home, given.dash, given.ext)
            task = Task(
                user, given.local, given.host, work.sender, letter, work.message, given.number,
                given.key, work.born, work.code, work.part, work.attempt,
            )  # fmt: skip
            course = deliver(task, self._terms, self._folders, self._looks)
            self._advance(UnderWay(given.task, task, course))

    # --- deliveries -----------------------------------------------------------------------------

    def _advance(self, under_way: UnderWay) -> None:
        """Run a delivery until it waits for something or ends."""
        try:
            want = next(under_way.course)
        except StopIteration as stop:
            report: Report = stop.value
            self._done(under_way, report)
        except Exception:  # noqa: BLE001 (a fault in one delivery must not take others along)
            traceback.print_exc(file=sys.stderr)
            self._done(under_way, Report(Outcome.DEFERRAL, LOCAL_CRASHED))
        else:
            if isinstance(want, Commit):
                self._staged.append((under_way, want))
            elif isinstance(want, Forward):
                self._queue.forward(under_way.task, want, lambda: self._advance(under_way))
            else:
                under_way.want = want
                self._alone[under_way.number] = under_way
                self._send(WantsRun(under_way.number))

    def _done(self, under_way: UnderWay, report: Report) -> None:
        self._dones.append(
            Done(under_way.number, report.outcome.value, report.text, bounded(report.steps))
        )
        under_way.task.letter.release()
        self._done_devices |= under_way.devices

    def _publish(self, message: Publish) -> None:
        """The starter's answer to a batch: its data is durable, or is to be synced here."""
        entries = self._batches.pop(message.batch)
        if message.by_fsync:
            files = [staged for _under_way, want in entries for staged in want.files]
            errors = iter(commit(files))
            for _under_way, want in entries:
                want.errors = [next(errors) for _ in want.files]
        else:
            for under_way, want in entries:
                for staged in want.files:
                    try:
                        publish(staged)
                    except MaildirError as error:
                        want.errors.append(error)
                    else:
                        want.errors.append(None)
                        under_way.devices.add(staged.folder.device)
        for under_way, _want in entries:
            self._advance(under_way)
        if message.by_fsync:
            self._tell_done(message.batch)

    # --- children -------------------------------------------------------------------------------

    def _go_alone(self, under_way: UnderWay, refusal: bytes) -> None:
        want = under_way.want
        assert want is not None
        if refusal:
            want.refusal = refusal
            self._advance(under_way)
            return
        try:
            child = Child.start(
                under_way.number, under_way.task, under_way.course, want, self._queue_path,
                self._only_for_parent(),
            )  # fmt: skip
        except OSError:
            want.refusal = CANNOT_FORK
            self._advance(under_way)
            return
        # The delivery goes on in the child; here it ends, and its files are the child's.
        for staged in want.files:
            staged.close()
        under_way.course.close()
        under_way.task.letter.release()
        child.devices = under_way.devices
        self._children[child.descriptor] = child

    def _only_for_parent(self) -> Callable[[], None]:
        def close() -> None:
            self._channel.close()
            self._queue.close()
            for child in self._children.values():
                os.close(child.descriptor)

        return close

    def _child(self, descriptor: int) -> None:
        child = self._children[descriptor]
        done = child.read()
        if done is None:
            return
        del self._children[descriptor]
        self._dones.append(done)
        self._done_devices |= child.devices

    # --- to the starter -------------------------------------------------------------------------

    def _tell(self) -> None:
        """Tell the starter of what was written and what has ended since the last time."""
        if self._staged:
            entries, self._staged = self._staged, []
            devices = {staged.folder.device for _u, want in entries for staged in want.files}
            for device in devices - self._told_devices:
                self._told_devices.add(device)
                self._send(Device(), (self._folders.devices[device],))
            self._batch += 1
            self._batches[self._batch] = entries
            self._send(Written(self._batch, tuple(devices)))
        if self._dones:
            self._tell_done(0)

    def _tell_done(self, batch: int) -> None:
        dones, self._dones = self._dones, []
        devices, self._done_devices = tuple(self._done_devices), set()
        for start in range(0, max(len(dones), 1), RESULTS_MAX):
            self._send(Finished(batch, tuple(dones[start : start + RESULTS_MAX]), devices))
            batch = 0

    def _send(self, message: FromWorker, descriptors: tuple[int, ...] = ()) -> None:
        self._channel.send(encode(message), descriptors)
