"""`glass serve`: one process that forks the daemons and keeps them going.

Single-threaded and without a loop: it waits for signals with sigtimedwait. Everything the
daemons need is imported before the first fork, so that they share its pages.
"""

import errno
import fcntl
import gc
import json
import os
import signal
import socket
import sys
import time
from typing import TextIO

from glassmail.core.formats.listen import Listener
from glassmail.daemons.context import Context
from glassmail.daemons.supervisor.child import TITLES, Main, fork_child
from glassmail.daemons.supervisor.notify import tell_systemd
from glassmail.daemons.supervisor.probe import fork_probe
from glassmail.daemons.supervisor.table import STOP_ORDER, Child, Table
from glassmail.events.event import Event
from glassmail.events.process import ChildDied, ChildStarted, Notice
from glassmail.net.limits import BACKLOG
from glassmail.net.reporter import tell_once
from glassmail.net.unix_listener import listen_unix
from glassmail.settings.place import Place

_SIGNALS = {
    signal.SIGCHLD, signal.SIGHUP, signal.SIGALRM, signal.SIGTERM, signal.SIGINT
}  # fmt: skip
CANNOT_START = 111
KILL_AFTER_S = 30.0  # a daemon that does not end after TERM by then is killed: nothing is lost
WAIT_S = 1.0
PID_LOCK_S = 1.0  # for whoever looks at it just then
READY_WITHIN_S = 10.0  # then a port that does not serve yet is named
INTERNAL_CLOSED_AFTER_S = 1.0  # a daemon away for longer must not look as if it answered


class ServeError(Exception):
    """The server cannot start; the text says why and what to do."""


def _open_own(path: str, mode: int) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
    except OSError as error:
        text = f"{path}: {error.strerror}: the server must be able to write there"
        raise ServeError(text) from error


def _is_locked_now(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Supervisor:
    """The processes of one site."""

    def __init__(
        self, place: Place, mains: dict[str, Main], uids: dict[str, tuple[int, int]],
        *, is_one_user: bool,
    ) -> None:  # fmt: skip
        self._place = place
        self._mains = mains
        self._uids = uids
        self._is_one_user = is_one_user
        self._table = Table()
        self._parent_read, self._parent_write = os.pipe()
        self._lock = self._pid_file = -1
        self._probe = 0
        self._is_ready = False
        self._is_status_stale = False
        self._is_stopping = False
        self._exit_code = 0

    # --- setting up ---

    def claim(self) -> None:
        """Be the only supervisor of this site; raises ServeError."""
        self._lock = _open_own(self._place.supervisor_lock, 0o600)
        self._pid_file = _open_own(self._place.supervisor_pid, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(self._pid_file, 32, 0).decode("ascii", "replace").strip()
            raise ServeError(
                f"a server already runs here (process {pid}): glass status, or glass stop first"
            ) from error
        give_up_at = time.monotonic() + PID_LOCK_S
        while time.monotonic() < give_up_at and not _is_locked_now(self._pid_file):
            time.sleep(0.01)  # somebody looks; should they hold it, they only say that we run
        os.ftruncate(self._pid_file, 0)
        os.pwrite(self._pid_file, f"{os.getpid()}\n".encode(), 0)

    def add(self, role: str, count: int = 1, listeners: tuple[Listener, ...] = ()) -> None:
        """Plan processes of a role; binds their ports and its internal socket."""
        paths = {
            "queue": self._place.queue_socket,
            "log": self._place.log_socket,
            "keeper": self._place.keeper_socket,
            "gate": self._place.gate_socket,
        }
        for index in range(count):
            if index == 0:
                for listener in listeners:
                    bind(listener, is_shared=False).close()  # nobody else's, before we share it
            bound = tuple((listener, bind(listener)) for listener in listeners)
            self._table.children.append(Child(role, index, bound, paths.get(role, "")))

    # --- running ---

    def run(self) -> int:
        """Start everything, keep it going until TERM or INT; return the exit code."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        gc.collect()
        gc.freeze()
        for child in self._table.children:
            self._start(child)
        self._probe = fork_probe([place for c in self._table.children for place, _ in c.listeners],
                                 self._closing(None), READY_WITHIN_S)  # fmt: skip
        while not (self._is_stopping and not self._table.running()):
            info = signal.sigtimedwait(_SIGNALS, self._pause())
            if info is not None:
                self._signal(info.si_signo)
            self._reap()  # SIGCHLD may stand for several children
            self._start_due()
            if self._is_status_stale:
                self._write_status()
        self._write_status()
        return self._exit_code

    def _pause(self) -> float:
        if self._is_stopping:
            return WAIT_S
        now = time.monotonic()
        due = [c.start_at - now for c in self._table.children if not c.pid]
        return max(0.0, min([WAIT_S, *due]))

    def _start_due(self) -> None:
        if self._is_stopping:
            return
        now = time.monotonic()
        for child in self._table.children:
            if not child.pid and child.start_at <= now:
                self._start(child)

    def _start(self, child: Child) -> None:
        if child.internal_path and child.internal is None:
            child.internal = listen_unix(child.internal_path)
        context = Context(
            place=self._place,
            role=child.role,
            index=child.index,
            uids=self._uids,
            is_one_user=self._is_one_user,
            listeners=child.listeners,
            parent_fd=self._parent_read,
            internal=child.internal,
        )
        child.pid = fork_child(context, self._mains[child.role], self._closing(child))
        child.started_at = time.monotonic()
        child.starts += 1
        if child.starts > 1:
            self._tell(ChildStarted(time.time_ns(), child.role, child.pid))
        self._write_status()

    def _closing(self, child: Child | None) -> list[int]:
        """Descriptors that a new child must not keep."""
        others = [other for other in self._table.children if other is not child]
        sockets = [sock for other in others for _listener, sock in other.listeners]
        sockets += [other.internal for other in others if other.internal is not None]
        own = (self._parent_write, self._lock, self._pid_file)
        return [*own, *(sock.fileno() for sock in sockets)]

    # --- signals and deaths ---

    def _signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif number in (signal.SIGHUP, signal.SIGALRM):
            for child in self._table.running():
                _kill(child.pid, number)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._probe:
                self._probed(status)
                continue
            child = self._table.by_pid(pid)
            if child is not None:
                self._died(child, status)

    def _died(self, child: Child, status: int) -> None:
        pid = child.pid
        reason = describe(status)
        was_killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        pause_s = child.died(reason, time.monotonic(), was_killed=was_killed)
        if self._is_stopping:
            self._write_status()
            return
        say(sys.stderr, f"glass: {child.role} (process {pid}) died: {reason}")
        if pause_s > INTERNAL_CLOSED_AFTER_S and child.internal is not None:
            child.internal.close()
            os.unlink(child.internal_path)
            child.internal = None
        self._tell(ChildDied(time.time_ns(), child.role, pid, reason, pause_s))
        if not self._is_ready and os.waitstatus_to_exitcode(status) == CANNOT_START:
            self._exit_code = CANNOT_START
            self._stop()
        self._write_status()

    def _probed(self, status: int) -> None:
        self._probe = 0
        if self._is_stopping:
            return
        if status == 0:
            self._is_ready = True
            say(sys.stdout, "ready")
            tell_systemd("READY=1")
            self._tell(Notice(time.time_ns(), "supervisor", "ready"))
        else:
            say(sys.stderr, "glass: nobody asks the ports any more: see glass status")
        self._write_status()

    # --- the end ---

    def _stop(self) -> None:
        """End the daemons in order; a second call changes nothing."""
        if self._is_stopping:
            return
        self._is_stopping = True
        tell_systemd("STOPPING=1")
        if self._probe:
            _kill(self._probe, signal.SIGKILL)
        for roles in STOP_ORDER:
            for child in self._table.running(roles):
                _kill(child.pid, signal.SIGTERM)
            self._await_end(roles)

    def _await_end(self, roles: tuple[str, ...]) -> None:
        deadline = time.monotonic() + KILL_AFTER_S
        while self._table.running(roles):
            signal.sigtimedwait({signal.SIGCHLD}, 0.1)
            self._reap()
            if time.monotonic() > deadline:
                for child in self._table.running(roles):
                    _kill(child.pid, signal.SIGKILL)

    # --- telling ---

    def _tell(self, event: Event) -> None:
        tell_once(self._place.log_socket, "supervisor", event)

    def _write_status(self) -> None:
        rows = [
            {
                "role": child.role,
                "index": child.index,
                "title": TITLES[child.role],
                "pid": child.pid,
                "starts": child.starts,
                "last_death": child.last_death,
                "listens": [listener.source for listener, _sock in child.listeners],
            }
            for child in self._table.children
        ]
        status = {
            "pid": os.getpid(),
            "began_at": self._table.began_at,
            "ready": self._is_ready,
            "stopping": self._is_stopping,
            "one_user": self._is_one_user,
            "children": rows,
        }
        path = self._place.status_file
        try:
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(status, file)
            os.rename(path + ".new", path)
        except OSError as error:  # a full disk must not end the server; tried again in a second
            if not self._is_status_stale:
                say(sys.stderr, f"glass: cannot write {path}: {error.strerror}")
            self._is_status_stale = True
        else:
            self._is_status_stale = False


def bind(listener: Listener, *, is_shared: bool = True) -> socket.socket:
    """Bind and listen; several processes share a port by SO_REUSEPORT. Raises ServeError."""
    family = socket.AF_INET6 if ":" in listener.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.bind((listener.address, listener.port))
    except OSError as error:
        sock.close()
        hint = {
            errno.EACCES: "ports below 1024 need root",
            errno.EADDRINUSE: "another program listens there",
            errno.EADDRNOTAVAIL: "no interface has this address",
        }.get(error.errno or 0, error.strerror or "")
        raise ServeError(f"{listener.source}: cannot listen: {hint}") from error
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


def say(stream: TextIO, text: str) -> None:
    """Write a line for whoever started the server; nobody may be reading any more."""
    try:
        stream.write(text + "\n")
        stream.flush()
    except OSError:
        return


def describe(status: int) -> str:
    """Say how a process ended: signal or exit code."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = str(number)
        return f"killed by signal {name}"
    return f"exit code {os.WEXITSTATUS(status)}"


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended just now; it will be reaped
