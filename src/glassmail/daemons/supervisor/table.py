"""The processes that a site runs, and what the supervisor knows of each."""

import socket
import time
from dataclasses import dataclass, field

from glassmail.core.formats.listen import Listener

PAUSES_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
KILLED_FALLS_MAX = 2  # place in PAUSES_S
STEADY_S = 10.0  # a process that lived so long starts its pauses anew

# TERM goes out in this order; each group is waited for before the next is told.
STOP_ORDER = (("smtpd", "vpopmaild"), ("queue",), ("local", "remote", "keeper", "gate"), ("log",))


@dataclass
class Child:
    """One daemon process.

    Attributes:
        pid: 0 while it does not run.
        start_at: monotonic time of the next start when it does not run.
        falls: deaths in a row, each soon after the start.
        last_death: sentence about the last death, empty when there was none.
    """

    role: str
    index: int
    listeners: tuple[tuple[Listener, socket.socket], ...] = ()
    internal_path: str = ""
    internal: socket.socket | None = None
    pid: int = 0
    started_at: float = 0.0
    start_at: float = 0.0
    starts: int = 0
    falls: int = 0
    last_death: str = ""

    def died(self, reason: str, now: float, *, was_killed: bool) -> float:
        """Note a death; return the pause before the next start in seconds.

        A process that somebody killed is not ill: its pauses stay short, since mail waits.
        """
        self.pid = 0
        self.last_death = reason
        self.falls = 0 if now - self.started_at >= STEADY_S else self.falls + 1
        longest = KILLED_FALLS_MAX if was_killed else len(PAUSES_S) - 1
        pause_s = PAUSES_S[min(self.falls, longest)]
        self.start_at = now + pause_s
        return pause_s


@dataclass
class Table:
    """All children."""

    children: list[Child] = field(default_factory=list)
    began_at: float = field(default_factory=time.time)

    def by_pid(self, pid: int) -> Child | None:
        """Find a running child."""
        return next((child for child in self.children if child.pid == pid), None)

    def running(self, roles: tuple[str, ...] | None = None) -> list[Child]:
        """Children that run now, of some roles or all."""
        return [c for c in self.children if c.pid and (roles is None or c.role in roles)]
