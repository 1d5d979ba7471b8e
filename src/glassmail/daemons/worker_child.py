"""A worker's child: carries one delivery to its end where blocking is allowed."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

import msgspec

from glassmail.core.model.limits import TRAIL_STEPS_MAX
from glassmail.core.model.trail import Trail
from glassmail.daemons import worker_limits
from glassmail.daemons.local_limits import TRAIL_BYTES_MAX
from glassmail.daemons.local_messages import Done, done_decoder
from glassmail.daemons.worker_queue import forward_alone
from glassmail.net.messages import encode
from glassmail.stations import programs
from glassmail.stations.deliver_alone import finish
from glassmail.stations.deliver_report import LOCAL_CRASHED
from glassmail.stations.deliver_wants import Course, Task, Want

READ_BYTES = 65_536
STEP_MAX = 1_000  # kept of subject and source of the last step, when a trail is cut
RESULT_BYTES_MAX = 1_048_576


class Child:
    """A delivery in a process of its own, as the worker sees it.

    Attributes:
        descriptor: readable when there is something for `read`.
        devices: filesystems with moves of the delivery from before it was the child's.
    """

    def __init__(self, number: int, pid: int, descriptor: int) -> None:
        self.descriptor = descriptor
        self.devices: set[int] = set()
        self._number = number
        self._pid = pid
        self._data = bytearray()

    @classmethod
    def start(
        cls,
        number: int,
        task: Task,
        course: Course,
        want: Want,
        queue_path: str,
        close_inherited: Callable[[], None],
    ) -> "Child":
        """Fork; raises OSError. In the child this does not return."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.fork()
        except OSError:
            os.close(reader)
            os.close(writer)
            raise
        if pid:
            os.close(writer)
            return cls(number, pid, reader)
        exit_code = 1
        try:
            os.close(reader)
            close_inherited()
            _carry_out(number, task, course, want, queue_path, writer)
            exit_code = 0
        except BaseException:  # noqa: BLE001 (whatever it is, this process ends here)
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(exit_code)

    def read(self) -> Done | None:
        """Take what has come; return the result when the child has ended, else None."""
        data = os.read(self.descriptor, READ_BYTES)
        self._data += data
        if data and len(self._data) <= RESULT_BYTES_MAX:
            return None
        os.close(self.descriptor)
        if data:
            self.stop()
        status = os.waitpid(self._pid, 0)[1]
        if status == 0 and not data:
            try:
                done = done_decoder.decode(self._data)
            except msgspec.MsgspecError:
                done = None
            if done is not None and done.task == self._number:
                return done
        return Done(self._number, "Z", LOCAL_CRASHED, ())

    def stop(self) -> None:
        """Tell the child to kill what it runs and to end."""
        try:
            os.kill(self._pid, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it has ended by itself


def _carry_out(
    number: int, task: Task, course: Course, want: Want, queue_path: str, writer: int
) -> None:
    signal.signal(signal.SIGTERM, _stop)
    worker_limits.restore()
    report = finish(course, want, lambda forward: forward_alone(queue_path, task, forward))
    data = encode(Done(number, report.outcome.value, report.text, bounded(report.steps)))
    view = memoryview(data)
    while view:
        view = view[os.write(writer, view) :]


def _stop(_number: int, _frame: FrameType | None) -> None:
    programs.kill_running()
    os._exit(1)


def bounded(steps: Trail) -> Trail:
    """Cut a trail to what a frame can hold; its last step, the deciding one, stays."""
    left = TRAIL_BYTES_MAX
    for at, step in enumerate(steps):
        left -= len(step.subject) + len(step.answer) + len(step.source)
        if left < 0 or at >= TRAIL_STEPS_MAX:
            last = steps[-1]
            last = last._replace(subject=last.subject[:STEP_MAX], source=last.source[:STEP_MAX])
            return (*steps[:at], last)
    return steps
