"""strace on a running process: to watch its system calls, or to make one of them fail or kill."""

import contextlib
import os
import signal
import subprocess
import tempfile

from small_site import SiteError, until

ATTACH_S = 5.0


class Strace:
    """strace attached to a process and to what it forks."""

    def __init__(self, pid: int, arguments: list[str], output: str) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in detach)
        self._process = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", output, *arguments, "-p", str(pid)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._errors,
        )  # fmt: skip
        until(lambda: self._is_attached(pid), f"strace is attached to {pid}", ATTACH_S)

    def _is_attached(self, pid: int) -> bool:
        if self._process.poll() is not None:
            self._errors.seek(0)
            raise SiteError(f"strace ended: {self._errors.read().decode('utf-8', 'replace')}")
        return all(tracer_of(pid, task) for task in tasks_of(pid))

    def detach(self) -> None:
        """Let the process go on by itself, if it lives."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def tasks_of(pid: int) -> list[str]:
    """The threads of a process."""
    try:
        return os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []


def tracer_of(pid: int, task: str) -> int:
    """Who traces a thread; 1 when it has just ended."""
    try:
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as file:
            return int(next(line for line in file if line.startswith("TracerPid:")).split()[1])
    except (OSError, StopIteration):
        return 1
