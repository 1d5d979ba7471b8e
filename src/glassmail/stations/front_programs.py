"""Run the site's own programs beside the sessions: RCPTCHECK, those of recipients, QMAILQUEUE.

Purpose:
    `run` starts a program without waiting in its place: the process goes on serving others.

Always:
    - Standard input is /dev/null unless the protocol says otherwise; never the client's socket.
    - What the program writes is read while it runs, however much; only the first bytes are kept.
    - The program is a session and process group of its own; at the time limit, or when nobody
      waits for it any more, the whole group is killed.
    - Nothing else of ours is open in it (every descriptor of Python closes on exec).
    - At most PROGRAMS_MAX at once; others wait their turn.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from glassmail.core.ask import ProgramEnd
from glassmail.core.model.system_errors import words_of
from glassmail.stations.programs import RESET_SIGNALS, find_program

PROGRAMS_MAX = 50
OUTPUT_BYTES_MAX = 4_096  # kept of standard output and error
LAST_READS_MAX = 16  # of a pipe when its program has ended: more than a pipe holds
_CHUNK = 65_536
_PATH = b"/usr/local/bin:/usr/bin:/bin"


class Call(NamedTuple):
    """How a program is run.

    Attributes:
        arguments: program and arguments; a relative path is below our directory.
        environment: all that it is told.
        inputs: descriptor of the program -> ours, which it reads.
        texts: descriptors of the program that lead back to us.
        text_max: bytes kept of what comes back.
        is_stdout_logged: whether standard output is told with standard error.
        seconds: time limit.
    """

    arguments: Sequence[bytes]
    environment: Mapping[bytes, bytes]
    inputs: Mapping[int, int]
    texts: tuple[int, ...]
    text_max: int
    is_stdout_logged: bool
    seconds: float


class Programs:
    """Programs of one process."""

    def __init__(self) -> None:
        """Begin with none under way."""
        self._slots = asyncio.Semaphore(PROGRAMS_MAX)

    async def run(self, call: Call) -> ProgramEnd:
        """Run a program to its end; what goes wrong stands in `problem`."""
        async with self._slots:
            running = _Running(call)
            try:
                running.start()
            except OSError as error:
                running.close()
                return ProgramEnd(120, problem=words_of(error))
            try:
                return await running.ended
            finally:
                running.close()


class _Running:
    """One program under way."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[ProgramEnd] = self._loop.create_future()
        self._readers: dict[int, tuple[bytearray, int]] = {}
        self._text = bytearray()
        self._output = bytearray()
        self._pid = 0
        self._process = -1
        self._timer: asyncio.TimerHandle | None = None
        self._is_late = False

    def start(self) -> None:
        call = self._call
        environment = {b"PATH": _PATH, **call.environment}
        # A bare name lies below the site's directory, as with qmail's execv; else it is on PATH.
        path = find_program(call.arguments[0], b".:" + environment[b"PATH"])
        if path is None:
            raise FileNotFoundError(2, os.strerror(2))
        writers = []
        try:
            for kept, most in ((self._text, call.text_max), (self._output, OUTPUT_BYTES_MAX)):
                reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                os.set_blocking(writer, True)
                writers.append(writer)
                self._readers[reader] = (kept, most)
            self._spawn(path, environment, writers)
        finally:
            for writer in writers:
                os.close(writer)
        self._process = os.pidfd_open(self._pid)
        for reader in self._readers:
            self._loop.add_reader(reader, self._read, reader)
        self._loop.add_reader(self._process, self._over)
        self._timer = self._loop.call_later(call.seconds, self._too_late)

    def _spawn(self, path: bytes, environment: Mapping[bytes, bytes], writers: list[int]) -> None:
        call = self._call
        text, output = writers
        # Sources are moved above every target first, so that no target overwrites one of them.
        wanted = dict(call.inputs) | dict.fromkeys(call.texts, text) | {2: output}
        if call.is_stdout_logged:
            wanted[1] = output
        above = max(*wanted, *wanted.values()) + 1
        actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = []
        if 0 not in wanted:
            actions.append((os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0))
        for place, source in enumerate(wanted.values(), above):
            actions.append((os.POSIX_SPAWN_DUP2, source, place))
        for place, target in enumerate(wanted, above):
            actions.append((os.POSIX_SPAWN_DUP2, place, target))
        for place, _target in enumerate(wanted, above):
            actions.append((os.POSIX_SPAWN_CLOSE, place))
        self._pid = os.posix_spawn(
            path, list(call.arguments), dict(environment), file_actions=actions, setsid=True,
            setsigmask=(), setsigdef=RESET_SIGNALS,
        )  # fmt: skip

    def _read(self, reader: int) -> bool:
        kept, most = self._readers[reader]
        try:
            data = os.read(reader, _CHUNK)
        except BlockingIOError:
            return False
        if data:
            kept += data[: max(0, most - len(kept))]
        else:
            self._loop.remove_reader(reader)
        return bool(data)

    def _too_late(self) -> None:
        self._is_late = True
        self._kill()

    def _over(self) -> None:
        self._loop.remove_reader(self._process)
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        pid, self._pid = self._pid, 0
        _end_group(pid)  # what it left behind, before that writes for ever
        for reader in self._readers:
            for _ in range(LAST_READS_MAX):
                if not self._read(reader):
                    break
        problem = ""
        if self._is_late:
            problem = f"killed after {self._call.seconds:.0f} s"
        elif status < 0:
            problem = f"crashed by signal {-status}"
        if not self.ended.done():
            text, output = bytes(self._text), bytes(self._output)
            self.ended.set_result(ProgramEnd(max(status, 0), text, problem, pid, output))

    def _kill(self) -> None:
        if self._pid:
            _end_group(self._pid)

    def close(self) -> None:
        """Let go of everything; a program that still runs is killed and waited for."""
        if self._timer is not None:
            self._timer.cancel()
        for reader in self._readers:
            self._loop.remove_reader(reader)
            os.close(reader)
        self._readers.clear()
        if self._process >= 0:
            self._loop.remove_reader(self._process)
            self._bury()

    def _bury(self) -> None:
        """Close what is left; a program that still runs is killed, and waited for by the loop."""
        pid, process = self._pid, self._process
        self._pid, self._process = 0, -1
        if pid:
            _end_group(pid)
            # Not here: one that changed its user is beyond our signals, and may never end.
            self._loop.add_reader(process, _reap, self._loop, pid, process)
        else:
            os.close(process)


def _reap(loop: asyncio.AbstractEventLoop, pid: int, process: int) -> None:
    loop.remove_reader(process)
    os.close(process)
    os.waitpid(pid, 0)


def _end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in it, or it belongs to somebody else by now
