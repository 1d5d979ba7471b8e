"""Figures of running servers: CPU by process, memory, percentiles."""

import contextlib
import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from server import Server

TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """CPU seconds of a process, its threads and its ended children.

    schedstat counts nanoseconds; stat's utime and stime, in ticks of 10 ms, only serve kernels
    without it. Ended children are known in ticks alone.
    """
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    own, children = (int(fields[11]) + int(fields[12])) * TICK_S, 0.0
    children = (int(fields[13]) + int(fields[14])) * TICK_S
    with contextlib.suppress(OSError):
        nanoseconds = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as schedstat:
                nanoseconds += int(schedstat.read().split()[0])
        own = max(own, nanoseconds / 1e9) if nanoseconds else own
    return own + children


def pss_kb(pids: list[int]) -> int:
    """Proportional set size of processes together, in kB."""
    total = 0
    for pid in pids:
        # A process that has just ended has no memory.
        with (
            contextlib.suppress(OSError),
            open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup,
        ):
            total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total


@dataclass
class Account:
    """CPU of a server between its making and `close`, as a whole and by role."""

    server: Server
    _whole: float = 0.0
    _by_pid: dict[int, float] = field(default_factory=dict)
    whole_s: float = 0.0
    by_role_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_pid = self._read()
        self._whole = self.server.cpu_s()

    def _read(self) -> dict[int, float]:
        found = {}
        for pid in self.server.pids():
            with contextlib.suppress(OSError):
                found[pid] = cpu_of(pid)
        return found

    def close(self) -> "Account":
        """Take the second reading."""
        self.whole_s = self.server.cpu_s() - self._whole
        roles, sums = self.server.roles(), Counter()
        for pid, used in self._read().items():
            sums[roles.get(pid, "?")] += used - self._by_pid.get(pid, 0.0)
        self.by_role_s = dict(sums)
        return self


class PeakPss:
    """Samples a server's memory in a thread while a work runs."""

    def __init__(self, server: Server, period_s: float = 0.1) -> None:
        self._server = server
        self._period_s = period_s
        self.first_kb = pss_kb(server.pids())
        self.peak_kb = self.first_kb
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._ended.wait(self._period_s):
            self.peak_kb = max(self.peak_kb, pss_kb(self._server.pids()))

    def close(self) -> "PeakPss":
        """Stop sampling."""
        self._ended.set()
        self._thread.join()
        return self


def percentile(values: list[float], part: float) -> float:
    """The value below which `part` (0..1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def settle(server: Server, quiet_s: float = 0.3, timeout_s: float = 20.0) -> None:
    """Wait until the queue is empty (but for what rests) and the server still for a moment."""
    deadline = time.monotonic() + timeout_s
    while server.queue_length() > server.resting and time.monotonic() < deadline:
        time.sleep(0.05)
    last, still_since = server.cpu_s(), time.monotonic()
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = server.cpu_s()
        if now - last > 0.005:
            still_since = time.monotonic()
        elif time.monotonic() - still_since >= quiet_s:
            return
        last = now
