"""A multilog processor: a program that every finished log file goes through (multilog.c).

Purpose:
    After a rotation `previous` holds the finished file. The program reads it on descriptor 0 and
    writes the file that is kept on descriptor 1; on descriptor 4 it reads what it wrote to
    descriptor 5 the last time (`state`, `newstate`). It runs by /bin/sh, as the log's user.

Always:
    - `previous` goes only after `processed` is complete and synced. Whatever happens in between,
      the next start goes on from what it finds: a complete `processed` (mode 0744) is taken, else
      the program runs again.
    - Writing to `current` never waits for the program. One that fails is tried again after a
      pause; one that runs too long is ended, and counts as failed.
"""

import fcntl
import os
import select
import signal
import threading
from collections.abc import Callable

RUN_S = 600.0  # a program that has not ended by then is killed
PAUSE_S = 5.0  # between a failure and the next try
SAFE_MODE = 0o744
_FIRST_FREE = 10  # our own ends lie above the descriptors that the program knows


class ProcessorError(Exception):
    """The program did not do its work; str() says how it ended."""


class Processor:
    """The program of one log directory."""

    def __init__(
        self,
        path: str,
        command: bytes,
        tell: Callable[[str], None],
        after: Callable[[], None],
    ) -> None:
        """Make it.

        Args:
            path: the log directory.
            command: as /bin/sh understands it.
            tell: told, from another thread, of each new trouble.
            after: called, from another thread, when a file is in its place.
        """
        self._path = path
        self._command = command
        self._tell = tell
        self._after = after
        self.is_busy = False  # whether `previous` is still needed; set by who makes `previous`
        self._thread: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC)

    def begin(self, finished: str) -> None:
        """Work on `previous` in a thread, unless the log ends.

        Args:
            finished: what the result is called when it is complete.
        """
        if self._is_stopping.is_set():
            return
        self._thread = threading.Thread(target=self._work, args=(finished,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the program if it runs; its work is begun again at the next start."""
        self._is_stopping.set()
        os.write(self._wake_write, b"x")
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _work(self, finished: str) -> None:
        is_told = False
        while not self._is_stopping.is_set():
            try:
                if not is_complete(self._path):
                    self._run()
                complete(self._path, finished)
                self._after()
            except (ProcessorError, OSError) as error:
                if not is_told and not self._is_stopping.is_set():
                    is_told = True
                    self._tell(f"{self._path}: the processor {error}: it is run again")
                self._is_stopping.wait(PAUSE_S)
            else:
                self.is_busy = False
                return

    def _run(self) -> None:
        """Run the program once; raises ProcessorError or OSError."""
        opened: list[int] = []
        try:
            for name, flags in (
                ("previous", os.O_RDONLY),
                ("processed", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
                ("state", os.O_RDONLY | os.O_CREAT),
                ("newstate", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            ):
                opened.append(self._open(name, flags))
            os.fchmod(opened[1], 0o644)  # not complete
            self._wait(self._start(opened))
            os.fsync(opened[3])
            os.fsync(opened[1])
            os.fchmod(opened[1], SAFE_MODE)
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def _open(self, name: str, flags: int) -> int:
        path = os.path.join(self._path, name)
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
        finally:
            os.close(descriptor)

    def _start(self, opened: list[int]) -> int:
        actions = [(os.POSIX_SPAWN_DUP2, source, target)
                   for source, target in zip(opened, (0, 1, 4, 5), strict=True)]  # fmt: skip
        signals = (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGALRM)
        return os.posix_spawn(
            b"/bin/sh",
            [b"sh", b"-c", self._command],
            os.environb,
            file_actions=actions,
            setpgroup=0,
            setsigdef=signals,
            setsigmask=(),
        )

    def _wait(self, pid: int) -> None:
        process = os.pidfd_open(pid)
        try:
            poller = select.poll()
            poller.register(process, select.POLLIN)
            poller.register(self._wake_read, select.POLLIN)
            ready = {descriptor for descriptor, _events in poller.poll(RUN_S * 1_000)}
        finally:
            os.close(process)
        if process not in ready:
            os.killpg(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if process not in ready:
            raise ProcessorError("was ended" if ready else f"ran longer than {RUN_S:.0f} s")
        if code:
            how = f"died of signal {-code}" if code < 0 else f"failed with exit code {code}"
            raise ProcessorError(how)


def is_complete(path: str) -> bool:
    """Tell whether `processed` holds all that the program wrote."""
    try:
        return bool(os.lstat(os.path.join(path, "processed")).st_mode & 0o100)
    except FileNotFoundError:
        return False


def complete(path: str, finished: str) -> None:
    """Put a complete `processed` in its place, in an order that can be begun again; OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _forgiving(lambda: os.unlink("previous", dir_fd=directory))
        _forgiving(
            lambda: os.rename("newstate", "state", src_dir_fd=directory, dst_dir_fd=directory)
        )
        os.rename("processed", os.path.basename(finished), src_dir_fd=directory,
                  dst_dir_fd=directory)  # fmt: skip
    finally:
        os.close(directory)


def _forgiving(work: Callable[[], None]) -> None:
    try:
        work()
    except FileNotFoundError:
        return  # done before the last end of this process
