"""Serve vpopmaild's connections: below `glass serve` by a line of control/listen, or alone.

Always:
    - Each connection is a process of its own: the rights of a domain's owner are taken on by the
      whole process.
    - A process ends with whoever started it; an edit that it was at is old or new, and what it
      left unfinished is finished by the next command.
"""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.admin.vpopmaild.session import GREETING, LINE_BYTES_MAX, Session
from glassmail.core.model.system_errors import words_of
from glassmail.daemons.context import Context
from glassmail.events.process import Alerted
from glassmail.net.reporter import tell_once
from glassmail.settings.place import Place
from glassmail.store.letter import write_all

ROLE = "vpopmaild"
TIMEOUT_S = 60.0
CONNECTIONS_MAX = 20
WRONG_LOGIN_PAUSE_S = 1.0
_READ_BYTES = 65_536
_NOBODY = -1  # no descriptor that tells of the starter's end


def main(context: Context) -> int:
    """Serve the listeners of control/listen until told to stop."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # every connection reads the files anew
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    os.umask(0o077)
    Service(context.place, [sock for _line, sock in context.listeners], context.parent_fd).run()
    return 0


class Service:
    """The connections of one process that listens."""

    def __init__(
        self, place: Place, listeners: Sequence[socket.socket], parent_fd: int = _NOBODY
    ) -> None:
        """Take over bound sockets.

        Args:
            place: the site.
            listeners: bound and listening.
            parent_fd: reads end of file when whoever started us is gone.
        """
        self._place = place
        self._listeners = {sock.fileno(): sock for sock in listeners}
        self._parent_fd = parent_fd
        self._children: set[int] = set()
        self._is_over = False

    def run(self) -> None:
        """Serve until TERM, or until the starter is gone."""
        woken, wake = socket.socketpair()  # a signal does not end poll by itself (PEP 475)
        woken.setblocking(False)
        wake.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        poller = select.poll()
        poller.register(woken, select.POLLIN)
        for number, sock in self._listeners.items():
            sock.setblocking(False)
            poller.register(number, select.POLLIN)
        if self._parent_fd != _NOBODY:
            poller.register(self._parent_fd, select.POLLIN)
        while not self._is_over:
            ready = [number for number, _events in poller.poll()]
            self._reap()
            if self._parent_fd in ready:
                break
            if woken.fileno() in ready:
                woken.recv(_READ_BYTES)
            for number in self._listeners.keys() & ready:
                self._accept(self._listeners[number])
        signal.set_wakeup_fd(-1)
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)

    def _stop(self, _number: int, _frame: object) -> None:
        self._is_over = True

    def _reap(self) -> None:
        self._children = {pid for pid in self._children if not os.waitpid(pid, os.WNOHANG)[0]}

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _address = listener.accept()
        except OSError:
            return  # it hung up before we came, or descriptors ran out: the next one may do
        with client:
            if len(self._children) >= CONNECTIONS_MAX:
                return
            try:
                pid = os.fork()
            except OSError as error:
                self._alert(f"cannot serve a connection: {words_of(error)}")
                return
            if not pid:
                self._child(client)
            self._children.add(pid)

    def _child(self, client: socket.socket) -> NoReturn:
        code = 70  # sysexits.h EX_SOFTWARE, when something escapes
        try:
            for sock in self._listeners.values():
                sock.close()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            client.setblocking(True)
            client.settimeout(None)
            both = client.fileno()
            code = converse(Site.at(self._place), both, both, parent_fd=self._parent_fd)
        except (AccountError, OSError) as error:
            self._alert(str(error))
            code = 111
        finally:
            os._exit(code)

    def _alert(self, text: str) -> None:
        if self._parent_fd == _NOBODY:
            sys.stderr.write(f"vpopmaild: {text}\n")
            sys.stderr.flush()
        else:
            tell_once(self._place.log_socket, ROLE, Alerted(time.time_ns(), ROLE, text))


def converse(
    site: Site,
    reader: int,
    writer: int,
    pause_s: float = WRONG_LOGIN_PAUSE_S,
    parent_fd: int = _NOBODY,
) -> int:
    """Hold one conversation; return the exit code.

    Args:
        site: the site.
        reader: descriptor of what the client says.
        writer: descriptor of our answers.
        pause_s: how long a wrong login waits for its answer.
        parent_fd: reads end of file when the server is gone; the conversation ends then.
    """
    session = Session(site)
    waiting = b""
    try:
        write_all(writer, GREETING)
        while not session.is_over:
            line, found, rest = waiting.partition(b"\n")
            if not found:
                data = _read(reader, parent_fd) if len(waiting) <= LINE_BYTES_MAX else b""
                if not data:
                    return 0
                waiting += data
                continue
            waiting = rest
            answer = session.answer(line)
            if answer.startswith(b"-ERR 8.207"):
                time.sleep(pause_s)
            write_all(writer, answer)
    except (BrokenPipeError, ConnectionResetError):
        return 0  # the client has hung up
    return 0


def _read(reader: int, parent_fd: int) -> bytes:
    """Read what comes within the time; nothing at the end, after it, and without a server."""
    poller = select.poll()
    poller.register(reader, select.POLLIN)
    if parent_fd != _NOBODY:
        poller.register(parent_fd, select.POLLIN)
    ready = [number for number, _events in poller.poll(int(TIMEOUT_S * 1_000))]
    if reader not in ready or parent_fd in ready:
        return b""
    return os.read(reader, _READ_BYTES)
