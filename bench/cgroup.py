"""A cgroup of our own for one server: what CPU it used, which processes it has, and its end.

Version 1 (`/sys/fs/cgroup/cpuacct`) and version 2 (one tree, `cpu.stat`). The kernel counts every
process that ever was in the group, so programs that a server starts and forgets are counted too.
Ending a server ends exactly the processes in its group: nothing is ever matched by name.
"""

import os
import signal
import time

ROOT = "/sys/fs/cgroup"
WAIT_S = 5.0
FREEZE_S = 0.002


class Cgroup:
    """One group; `procs_file` is what a launcher writes its pid to before it executes."""

    def __init__(self, name: str) -> None:
        base = os.path.join(ROOT, "cpuacct")
        self.is_v1 = os.path.isdir(base)
        # More than one bench may run on a machine: the pid keeps their groups apart.
        self.path = os.path.join(base if self.is_v1 else ROOT, f"glassbench-{os.getpid()}-{name}")
        os.makedirs(self.path, exist_ok=True)
        self.procs_file = os.path.join(self.path, "cgroup.procs")

    def cpu_s(self) -> float:
        """CPU seconds, user and system, of all processes that are or were in the group."""
        if self.is_v1:
            with open(os.path.join(self.path, "cpuacct.usage"), encoding="ascii") as usage:
                return int(usage.read()) / 1e9
        with open(os.path.join(self.path, "cpu.stat"), encoding="ascii") as stat:
            fields = dict(line.split() for line in stat)
        return int(fields["usage_usec"]) / 1e6

    def pids(self) -> list[int]:
        """Processes in the group now."""
        with open(self.procs_file, encoding="ascii") as procs:
            return [int(line) for line in procs]

    def kill(self) -> None:
        """SIGKILL everything in the group until nothing is left."""
        deadline = time.monotonic() + WAIT_S
        while pids := self.pids():
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # it ended by itself between the listing and the signal
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.path}: still has processes {pids}")
            time.sleep(0.002)

    def freeze(self) -> None:
        """SIGSTOP everything; return when nothing runs any more (or sleeps in a system call)."""
        pids = self.pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGSTOP)
            except ProcessLookupError:
                continue  # it ended by itself between the listing and the signal
        deadline = time.monotonic() + FREEZE_S
        while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
            pass  # microseconds: the signal interrupts what runs on the other core

    def remove(self) -> None:
        """End what runs and remove the group."""
        self.kill()
        for _ in range(100):
            try:
                os.rmdir(self.path)
            except OSError:
                time.sleep(0.01)  # the kernel lets go of dead processes a little later
            else:
                return


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "R"
    except OSError:
        return False
