"""Hurt one process at its n-th system call, for every n of one hand-in and one delivery.

    python bench/killpoints.py [--do kill|EIO|ENOSPC|always-EIO|always-ENOSPC]... [--role R]...
                               [--kind direct|file|forward|remote]... [--syncmode auto|syncfs|fsync]
                               [--sample N] [--seed N] [--list]

First one message of each kind is watched with strace, which gives the calls of every process.
Then, point by point, strace is attached to the process again and kills it when it makes the n-th
such call (`kill`), or lets the n-th sync (and, with ENOSPC, write) fail. `always-...` lets every
sync of a process fail while a message comes in, and asks that nobody calls that a success.

Each point: a sender hands the message in until it gets its 250; then the injury is taken away.
Every message with a 250 must lie in the Maildir exactly once (a message that went to the sink at
least once), one without at most once, and the queue must end empty. Prints a line for each broken
promise and a summary; exit 1 when there was one.
"""

import argparse
import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from typing import NamedTuple

import letters
from small_site import SiteError, SmallSite, until
from strace import Strace

WRITES = ("write", "writev", "pwrite64")
SYNCS = ("fsync", "fdatasync", "syncfs")
NAMES = ("rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "ftruncate")
SENDS = ("sendto", "sendmsg")  # what is told to another process, too, is a moment to die at
KILL_AT = (*WRITES, *SYNCS, *NAMES, *SENDS)
ROLES = ("queue", "local", "forker", "worker", "smtpd", "log", "remote", "keeper")
KINDS = ("direct", "file", "forward", "remote")
DEEDS = ("kill", "EIO", "ENOSPC", "always-EIO", "always-ENOSPC")
ATTACH_TRIES = 5
TRIES = 300
POINTS_PER_START = 6  # a new server then: the pauses before restarts grow with each death
WITHIN_S = 30.0
_CALL = re.compile(r"(\d+) +(\w+)\(")


class Point(NamedTuple):
    """Where a process is hurt: at its n-th call (0: at each) while a message of a kind comes."""

    deed: str
    kind: str
    role: str
    call: str
    number: int

    def __str__(self) -> str:
        return f"{self.deed} {self.role} {self.call} {self.number or 'each'} ({self.kind})"


class Harness:
    """One site, hurt again and again."""

    def __init__(self, syncmode: str) -> None:
        self._syncmode = syncmode
        self.site = self._new_site()
        self.work = tempfile.mkdtemp(prefix="glassmail-strace-")
        self._serial = 0
        self.broken: list[str] = []
        self.unreached = 0
        self.answers: Counter[str] = Counter()
        self._hurt = 0

    def _new_site(self) -> SmallSite:
        site = SmallSite()
        site.control("syncmode", self._syncmode + "\n")
        return site

    def close(self) -> None:
        """Stop the site and remove what was written."""
        self.site.close()
        shutil.rmtree(self.work, ignore_errors=True)

    # --- which points there are -----------------------------------------------------------------

    def watch(self, kind: str, role: str) -> Counter[str]:
        """Count the calls of a process during one message: the most that one thread makes."""
        output = os.path.join(self.work, "watch")
        pid = self.site.pid_of(role)
        strace = Strace(pid, ["-e", "trace=" + ",".join(KILL_AT)], output)
        try:
            ident, _ = self._hand_in(kind)
            self._until_done([ident], kind)
            time.sleep(0.3)  # what follows a delivery: facts, a commit of the history
        finally:
            strace.detach()
        most: Counter[str] = Counter()
        by_thread: Counter[tuple[str, str]] = Counter()
        with open(output, encoding="utf-8", errors="replace") as file:
            for line in file:
                match = _CALL.match(line)
                if match:
                    by_thread[match[1] or "", match[2]] += 1
        for (_thread, call), count in by_thread.items():
            most[call] = max(most[call], count)
        return most

    def points(self, deeds: list[str], kinds: list[str], roles: list[str]) -> list[Point]:
        """Watch each process with each kind of message, and name the points."""
        found = []
        for kind in kinds:
            self._warm(kind)
            for role in roles:
                if role == "remote" and kind != "remote":
                    continue
                for call, count in sorted(self.watch(kind, role).items()):
                    for deed in deeds:
                        found += points_of(deed, kind, role, call, count)
        return found

    def _warm(self, kind: str) -> None:
        """One message without injury: then every process is there, and every statement prepared."""
        self._fresh()
        ident, _ = self._hand_in(kind)
        self._until_done([ident], kind)

    def _fresh(self) -> None:
        if self._hurt >= POINTS_PER_START:
            self.site.stop()
            self._hurt = 0
        if self.site.server is None:
            self.site.start()
            ident, _ = self._hand_in("direct")
            self._until_done([ident], "direct")

    # --- one point ------------------------------------------------------------------------------

    def hurt(self, point: Point) -> None:
        """Do it once, and note what went wrong."""
        try:
            self._fresh()
            self._until_there(point)
            self.site.clear()
            self._run(point)
        except (SiteError, subprocess.TimeoutExpired) as error:
            self.broken.append(f"{point}: {error}\n{self._why()}")
            self.site.close()  # what is stuck must not spoil the next point
            self.site = self._new_site()
        self._hurt += 1

    def _until_there(self, point: Point) -> None:
        """A worker comes with its first delivery, and goes when its starter does."""
        if not self.site.pid_of(point.role):
            self._warm("direct")

    def _run(self, point: Point) -> None:
        when = f"when={point.number}" if point.number else "when=1+"
        error = point.deed.rpartition("-")[2]
        what = "signal=KILL" if point.deed == "kill" else f"error={error}"
        calls = SYNCS if not point.number else (point.call,)
        arguments = ["-e", "trace=" + ",".join(calls)]
        arguments += [word for call in calls for word in ("-e", f"inject={call}:{what}:{when}")]
        output = os.path.join(self.work, "hurt")
        pid, strace = self._attach(point.role, arguments, output)
        unanswered: list[str] = []
        try:
            if point.number:
                ident, unanswered = self._hand_in(point.kind)
                self._await_injury(point, pid, output)
            else:
                ident = self._while_failing(point, pid, unanswered)
        finally:
            strace.detach()
        with open(output, encoding="utf-8", errors="replace") as file:
            said = file.read()
        if "INJECTED" not in said and "killed by SIGKILL" not in said:
            self.unreached += 1
        if not ident:
            ident, more = self._hand_in(point.kind)
            unanswered += more
        self._until_done([ident], point.kind)
        self._judge(point, ident, unanswered)

    def _attach(self, role: str, arguments: list[str], output: str) -> tuple[int, Strace]:
        """Attach to a process that may be on its way out after the point before: try again."""
        for _ in range(ATTACH_TRIES):
            until(lambda: self.site.pid_of(role), f"{role} runs")
            pid = self.site.pid_of(role)
            with contextlib.suppress(SiteError):
                return pid, Strace(pid, arguments, output)
            self._until_done([], "direct")
        raise SiteError(f"strace cannot be attached to {role}")

    def _await_injury(self, point: Point, pid: int, output: str) -> None:
        """Give the call a moment: some come after the delivery, some not in every run."""
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            if point.deed == "kill" and not os.path.exists(f"/proc/{pid}"):
                return
            with open(output, encoding="utf-8", errors="replace") as file:
                if "INJECTED" in file.read():
                    return
            time.sleep(0.02)

    def _while_failing(self, point: Point, pid: int, unanswered: list[str]) -> str:
        """Hand in once while every sync fails; return the message's number when it was taken."""
        ident = self._name()
        answer = self._send(ident, point.kind)
        if answer != "250":
            unanswered.append(ident)
            return ""
        if point.role == "queue":
            self.broken.append(f"{point}: a 250 although no sync succeeds")
        if point.role == "worker":
            # When local's syncfs fails, its workers fsync each file instead: success is then real.
            time.sleep(1.0)
            with open(os.path.join(self.work, "hurt"), encoding="utf-8") as file:
                is_hurt = "INJECTED" in file.read()
            if is_hurt and os.path.exists(f"/proc/{pid}") and not self.site.queued():
                self.broken.append(f"{point}: reported as delivered although a sync failed")
        return ident

    # --- mail -----------------------------------------------------------------------------------

    def _name(self) -> str:
        self._serial += 1
        return f"p-{os.getpid()}-{self._serial}"

    def _send(self, ident: str, kind: str) -> str:
        sizes = letters.FILE if kind == "file" else letters.SMALL
        answer = self.site.send(ident, "direct" if kind == "file" else kind, sizes)
        self.answers[answer] += 1
        if answer not in ("250", "gone") and not answer.startswith("4"):
            self.broken.append(f"{ident}: answered {answer}")
        return answer

    def _hand_in(self, kind: str) -> tuple[str, list[str]]:
        """Send until a message gets its 250; return its number, and the numbers before it."""
        before: list[str] = []
        for _ in range(TRIES):
            ident = self._name()
            if self._send(ident, kind) == "250":
                return ident, before
            before.append(ident)
            time.sleep(0.1)
        raise SiteError(f"no 250 in {TRIES} tries")

    def _until_done(self, idents: list[str], kind: str) -> None:
        """Wait until these are where they belong and the queue is empty."""
        flush_at = time.monotonic() + 1.0
        deadline = time.monotonic() + WITHIN_S
        while True:
            there = self.site.sink.seen if kind == "remote" else self.site.arrived()
            if set(idents) <= set(there) and self.site.queued() == 0:
                return
            if time.monotonic() > deadline:
                raise SiteError(f"not there within {WITHIN_S:.0f} s: {idents}")
            if time.monotonic() > flush_at:
                self.site.flush()
                flush_at += 1.0
            time.sleep(0.02)

    def _judge(self, point: Point, ident: str, unanswered: list[str]) -> None:
        counts = Counter(self.site.sink.seen if point.kind == "remote" else self.site.arrived())
        if counts[ident] != 1 and not (point.kind == "remote" and counts[ident]):
            self.broken.append(f"{point}: {counts[ident]} copies")
        for other in unanswered:
            if counts[other] > 1 and point.kind != "remote":
                self.broken.append(f"{point}: {counts[other]} copies of one without a 250")

    def _why(self) -> str:
        rows = self.site.rows()
        return f"    queue: {rows}\n    output: {self.site.said()[-1_500:]}"


def points_of(deed: str, kind: str, role: str, call: str, count: int) -> list[Point]:
    """The points of one call of one process."""
    if deed == "kill":
        return [Point(deed, kind, role, call, number) for number in range(1, count + 1)]
    if deed.startswith("always-"):
        return [Point(deed, kind, role, call, 0)] if call in SYNCS else []
    failing = SYNCS if deed == "EIO" else (*SYNCS, "write", "writev", "pwrite64")
    if call not in failing or (role == "smtpd" and call == "write"):
        return []
    return [Point(deed, kind, role, call, number) for number in range(1, count + 1)]


def sample_of(points: list[Point], size: int, seed: int) -> list[Point]:
    """Choose some points, of every process and deed in turn, the rarer calls first."""
    choose = random.Random(seed)
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.role, point.deed), []).append(point)
    for group in groups.values():
        choose.shuffle(group)
        group.sort(key=lambda point: point.call in SENDS)
    chosen: list[Point] = []
    while len(chosen) < min(size, len(points)):
        for group in groups.values():
            if group and len(chosen) < size:
                chosen.append(group.pop(0))
    return chosen


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench/killpoints.py")
    add = parser.add_argument
    add("--do", action="append", choices=DEEDS)
    add("--role", action="append", choices=ROLES)
    add("--kind", action="append", choices=KINDS)
    add("--syncmode", choices=("auto", "syncfs", "fsync"), default="auto")
    add("--sample", type=int, default=0, help="only so many points; 0 for all")
    add("--seed", type=int, default=int(time.time()))
    add("--list", action="store_true", help="name the points and end")
    add("--verbose", action="store_true")
    return parser.parse_args()


def main() -> int:
    """Hurt every point once."""
    arguments = parse()
    if shutil.which("strace") is None:
        print("SKIP: bench/killpoints.py needs strace")
        return 3
    begun = time.monotonic()
    harness = Harness(arguments.syncmode)
    try:
        points = harness.points(
            arguments.do or ["kill"], arguments.kind or list(KINDS), arguments.role or list(ROLES)
        )
        found = len(points)
        if arguments.list:
            print("\n".join(map(str, points)))
            return 0
        if arguments.sample:
            points = sample_of(points, arguments.sample, arguments.seed)
        for point in points:
            at = time.monotonic()
            harness.hurt(point)
            if arguments.verbose:
                print(f"{point}: {time.monotonic() - at:.1f} s", flush=True)
    finally:
        harness.close()
    print(f"{len(points)} of {found} points in {time.monotonic() - begun:.0f} s "
          f"({harness.unreached} not reached in that run), answers "
          + ", ".join(f"{answer}: {count}" for answer, count in sorted(harness.answers.items()))
          + f"; {len(harness.broken)} broken "
          f"(syncmode {arguments.syncmode}, seed {arguments.seed})")  # fmt: skip
    for line in harness.broken:
        print(f"    {line}")
    return 1 if harness.broken else 0


if __name__ == "__main__":
    sys.exit(main())
