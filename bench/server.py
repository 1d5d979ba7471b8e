"""What the harnesses need of a server, and what all servers here have in common.

A server is prepared (its configuration written below its own directory), started, measured and
stopped. It runs inside a private mount namespace with users of its own and in a cgroup of its
own, and it listens on 127.0.0.1 only.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import aside
import etc
from cgroup import Cgroup
from peers import CACHE

HERE = os.path.dirname(os.path.abspath(__file__))
DOMAIN = "bench.test"
USER = "bench"
USER_UID = 29_000
START_S = 30.0


class ServerError(Exception):
    """A server did not start or answer; the text says which and how."""


@dataclass
class Layout:
    """Where a server keeps its things; queue and Maildirs may lie on different filesystems."""

    base: str
    queue: str
    home: str
    port: int = 0
    relay_port: int = 0
    boxes: tuple[tuple[str, int], ...] = ()  # further users with a Maildir: name, uid

    @property
    def maildir(self) -> str:
        """The one Maildir of the bench user."""
        return os.path.join(self.home, "Maildir")

    def home_of(self, name: str) -> str:
        """The home of one of `boxes`."""
        return os.path.join(self.home, name)

    @property
    def maildirs(self) -> list[str]:
        """All Maildirs that mail of this site may arrive in."""
        return [self.maildir, *(os.path.join(self.home_of(n), "Maildir") for n, _ in self.boxes)]


def standard_layout(name: str) -> Layout:
    """Everything below `.cache/bench/NAME`, on the checkout's filesystem, as the bench uses it."""
    base = os.path.join(CACHE, "bench", name)
    return Layout(base, os.path.join(base, "queue"), os.path.join(base, "home"))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """Base of all servers: the surroundings, starting, stopping."""

    name = "?"
    idle_connections = 5_000
    sessions_most = 1_000  # at once; a peer may listen for fewer

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.layout.port = self.layout.port or free_port()
        self.etc = os.path.join(layout.base, "etc")
        self.cgroup: Cgroup | None = None
        self.resting = 0  # messages in its queue that nobody waits for
        self._process: subprocess.Popen[bytes] | None = None
        self._spec = os.path.join(layout.base, "inside.json")

    # --- what a server says of itself -----------------------------------------------------

    def address(self, local: str = USER) -> str:
        """A recipient of this server."""
        return f"{local}@{DOMAIN}"

    def prepare(self) -> None:
        """Write the configuration; called once, before the first start."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The command that runs the server in the foreground."""
        raise NotImplementedError

    def queue_length(self) -> int:
        """How many messages are in its queue now."""
        raise NotImplementedError

    def flush(self) -> None:
        """Ask it to try everything in the queue now."""
        raise NotImplementedError

    def overlays(self) -> list[list[str]]:
        """Directories laid over the system's: [lower, on]."""
        return []

    def binds(self) -> list[list[str]]:
        """Directories bound over the system's: [directory, on]."""
        return []

    def users(self) -> list[etc.User]:
        """System users in its private passwd, the bench user not counted."""
        return []

    # --- surroundings ---------------------------------------------------------------------

    def surround(self, *, clean: bool = True) -> None:
        """Make the directories, the private /etc and the bench user's Maildir."""
        layout = self.layout
        if clean:
            for path in (layout.base, layout.queue, *layout.maildirs):
                aside.put(path)
        for path in (layout.base, layout.queue, layout.home):
            os.makedirs(path, mode=0o755, exist_ok=True)
        everyone = [(USER, USER_UID, layout.home)]
        everyone += [(name, uid, layout.home_of(name)) for name, uid in layout.boxes]
        for _, uid, home in everyone:
            for part in ("", "Maildir", "Maildir/tmp", "Maildir/new", "Maildir/cur"):
                path = os.path.join(home, part)
                os.makedirs(path, mode=0o700 if part else 0o755, exist_ok=True)
                os.chown(path, uid, uid)
        etc.make(self.etc, [*self.users(), *everyone])

    def inside(self, command: list[str], *, counted: bool = False, dies: bool = True) -> list[str]:
        """Return the command that runs `command` in the server's surroundings."""
        procs = [self.cgroup.procs_file] if counted and self.cgroup else []
        spec = {"etc": self.etc, "overlays": self.overlays(), "binds": self.binds(),
                "procs": procs, "dies": dies}  # fmt: skip
        path = self._spec if counted else self._spec + ".tool"
        with open(path, "w", encoding="utf-8") as out:
            json.dump(spec, out)
        return [sys.executable, os.path.join(HERE, "inside.py"), path, *command]

    def run(self, command: list[str]) -> str:
        """Run a tool in the surroundings; return its output, raise ServerError when it fails."""
        done = subprocess.run(self.inside(command), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServerError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr[-800:]}")
        return done.stdout

    # --- life -----------------------------------------------------------------------------

    def start(self) -> float:
        """Start it; return seconds from the start to the first 220."""
        self.cgroup = self.cgroup or Cgroup(self.name)
        begun = time.monotonic()
        with open(os.path.join(self.layout.base, "output"), "ab") as output:
            self._process = subprocess.Popen(
                self.inside(self.command(), counted=True),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        self._await_220(begun + START_S)
        return time.monotonic() - begun

    def _await_220(self, deadline: float) -> None:
        assert self._process is not None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ServerError(f"{self.name} ended at start: {self.last_output()}")
            with contextlib.suppress(OSError), socket.create_connection(self.place(), 5) as probe:
                if probe.recv(512).startswith(b"220"):
                    probe.sendall(b"QUIT\r\n")
                    return
            time.sleep(0.005)
        raise ServerError(f"{self.name} gave no 220 within {START_S:.0f} s: {self.last_output()}")

    def place(self) -> tuple[str, int]:
        """Address and port of its SMTP."""
        return "127.0.0.1", self.layout.port

    def last_output(self) -> str:
        """The end of what the server printed."""
        try:
            with open(os.path.join(self.layout.base, "output"), "rb") as output:
                return output.read()[-1_500:].decode("utf-8", "replace")
        except OSError:
            return ""

    def kill(self) -> None:
        """SIGKILL all of its processes at once."""
        if self.cgroup:
            self.cgroup.kill()
        if self._process:
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Stop all of its processes where they are, as when the power goes."""
        if self.cgroup:
            self.cgroup.freeze()

    def stop(self) -> None:
        """End it for good: processes, then the group. May be called twice."""
        self.kill()
        if self.cgroup:
            self.cgroup.remove()
            self.cgroup = None

    def pids(self) -> list[int]:
        """Its processes now."""
        return self.cgroup.pids() if self.cgroup else []

    def cpu_s(self) -> float:
        """CPU seconds used since its cgroup was made."""
        return self.cgroup.cpu_s() if self.cgroup else 0.0

    def roles(self) -> dict[int, str]:
        """pid -> what the process is for; by default the process's own name."""
        found = {}
        for pid in self.pids():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                found[pid] = comm.read().strip()
        return found
