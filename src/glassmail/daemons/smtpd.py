"""The SMTP server process: sockets and signals around the sessions.

Always:
    - At most SESSIONS_MAX sessions; further clients are told 421.
    - What a client does not read is not piled up: answers stop, and after timeoutsmtpd the
      connection.
    - TERM: no new connections, running commands are finished, idle clients are told 421, and
      the process ends within ten seconds.
"""

import asyncio
import contextlib
import gc
import os
import time
import traceback
from functools import partial
from typing import cast

from glassmail.core.formats.client_keys import unmapped
from glassmail.core.policy.facts import Client
from glassmail.core.protocol import replies
from glassmail.daemons.context import Context
from glassmail.daemons.life import Life, live
from glassmail.events.process import Alerted, SettingBroken
from glassmail.net.limits import BACKLOG
from glassmail.net.own_addresses import is_ours
from glassmail.net.queue_client import QueueClient
from glassmail.net.reporter import Reporter, tell_once
from glassmail.stations.client_rules import ClientRules
from glassmail.stations.front_ask import FrontAsk
from glassmail.stations.limits import SESSIONS_MAX, STOPPING_S
from glassmail.stations.services import Services
from glassmail.stations.session import Session
from glassmail.stations.session_settings import SettingsReader
from glassmail.store.control import ControlError, Controls

ROLE = "smtpd"
CANNOT_START = 111
FIRST_CODES_S = 5.0  # how long the start waits for the queue
TICK_S = 1.0
LAST_WORD_S = 1.0  # after the last call, for what is still to be sent


def main(context: Context) -> int:
    """Serve SMTP until told to stop; 111 when the settings cannot be used."""
    place = context.place
    try:
        controls = Controls(place.control)
        is_guarded = not controls.snapshot().flag("openrelay")
        rules = ClientRules(place.tcp_rules, time.monotonic, is_guarded=is_guarded)
    except ControlError as error:
        text = f"cannot start: {error}"
        tell_once(place.log_socket, ROLE, Alerted(time.time_ns(), ROLE, text))
        return CANNOT_START

    with contextlib.suppress(OSError):  # then relative paths of programs lead nowhere
        os.chdir(place.root)  # qmail-smtpd's directory is /var/qmail

    async def start(life: Life) -> None:
        await SmtpProcess(life, controls, rules).start()

    return live(context, start)


class SmtpProcess:
    """All connections of one process."""

    def __init__(self, life: Life, controls: Controls, rules: ClientRules) -> None:
        """Join the settings, the queue, the keeper and the log.

        Args:
            life: the process's.
            controls: the control directory, already read.
            rules: the rules for clients, already read.
        """
        place = life.context.place
        self._life = life
        self._loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._reporter = Reporter(place.log_socket, ROLE)
        self._queue = QueueClient(place.queue_socket, ROLE)
        self._ask = FrontAsk(place, ROLE, controls)
        controls.tell_problems(self._setting_broken, "smtpd")
        rules.tell_problems(self._setting_broken)
        self._settings = SettingsReader(controls, place, time.monotonic)
        self._rules = rules
        self._ticking: asyncio.TimerHandle | None = None
        self.is_stopping = False
        self.services = Services(
            settings=self._settings,
            rules=rules,
            ask=self._ask,
            queue=self._queue,
            tell=self._reporter.tell,
            is_ours=is_ours,
            clock=time.monotonic,
            now_ns=time.time_ns,
            alert=self._alert,
            programs=self._ask.programs,
            root=place.root,
        )

    async def start(self) -> None:
        """Connect to the other processes, then accept clients."""
        self._loop.set_exception_handler(self._fault)
        self._reporter.start()
        self._ask.start()
        self._queue.start()
        await self._queue.wait_for_codes(FIRST_CODES_S)
        self._life.on_reload = self._reload
        self._life.on_stop = self.stop
        for listener, sock in self._life.context.listeners:
            make = partial(Connection, self, listener.service)
            sock.setblocking(False)
            self._servers.append(await self._loop.create_server(make, sock=sock, backlog=BACKLOG))
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        # What is here now stays: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()

    def stop(self) -> None:
        """Stop accepting, let running commands finish, end."""
        if self.is_stopping:
            return
        self.is_stopping = True
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.stop()
        self._loop.call_later(STOPPING_S, self._last_call)
        self.end_if_done()

    def _last_call(self) -> None:
        for connection in list(self.connections):
            connection.stop(is_last_call=True)
        self._loop.call_later(LAST_WORD_S, self._end)

    def end_if_done(self) -> None:
        """End a stopping process when its last connection is gone."""
        if self.is_stopping and not self.connections:
            self._end()

    def _end(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None
        for connection in list(self.connections):
            connection.abort()
        self._queue.close()
        self._ask.close()
        self._reporter.close()
        self._life.end()

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        now = time.monotonic()
        for connection in list(self.connections):
            connection.tick(now)
        self._queue.expire()

    def _reload(self) -> None:
        self._settings.look_again()
        self._rules.refresh()

    def _fault(self, _loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Something failed where nobody waited for it: the loop goes on, somebody must know."""
        error = context.get("exception")
        lines = traceback.format_exception(error) if isinstance(error, BaseException) else []
        self._alert(f"{context.get('message')} {''.join(lines)}".strip())

    def _alert(self, text: str) -> None:
        self._reporter.tell(Alerted(time.time_ns(), ROLE, text))

    def _setting_broken(self, problem: str) -> None:
        self._reporter.tell(SettingBroken(time.time_ns(), ROLE, problem))


class Connection(asyncio.Protocol):
    """One client's connection: the Wire below a Session."""

    __slots__ = ("_process", "_service", "_session", "_transport", "is_blocked", "is_paused")

    def __init__(self, process: SmtpProcess, service: str) -> None:
        self._process = process
        self._service = service
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self.is_paused = False
        self.is_blocked = False

    # --- from the loop -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        # uvloop's transports have the methods, but not the class.
        self._transport = cast("asyncio.Transport", transport)
        process = self._process
        peer = transport.get_extra_info("peername")
        if not peer:  # gone again before it was looked at
            self.abort()
            return
        is_crowded = len(process.connections) >= SESSIONS_MAX
        process.connections.add(self)
        # A link-local address carries its interface behind a `%`.
        ip = unmapped(peer[0].partition("%")[0].encode("ascii"))
        session = Session(process.services, self, Client(ip, peer[1]), self._service)
        self._session = session
        session.begin(replies.TOO_MANY_SESSIONS if is_crowded else None)
        if process.is_stopping:
            session.stop()

    def data_received(self, data: bytes) -> None:
        """The client sent something."""
        if self._session is None:
            return
        try:
            self._session.receive(data)
        except Exception:
            # The loop tells of it (_fault) but leaves the connection open: the client would wait.
            self.abort()
            raise

    def eof_received(self) -> bool:
        """The client sends nothing more; it may still read."""
        if self._session is not None:
            self._session.end_of_input()
        return True

    def pause_writing(self) -> None:
        """The client does not read what we send."""
        self.is_blocked = True

    def resume_writing(self) -> None:
        """The client reads again."""
        self.is_blocked = False
        if self._session is not None:
            self._session.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, for whatever reason: the session's record tells which."""
        session, self._session = self._session, None
        self._transport = None
        self._process.connections.discard(self)
        if session is not None:
            session.lost()
        self._process.end_if_done()

    # --- from the process ----------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """A second has passed."""
        if self._session is not None:
            self._session.tick(now)

    def stop(self, *, is_last_call: bool = False) -> None:
        """The server stops."""
        if self._session is not None:
            self._session.stop(is_last_call=is_last_call)

    # --- from the session (stations.services.Wire) ---------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None:
            self._transport.write(data)

    def hang_up(self) -> None:
        """Close when everything is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Stop reading."""
        if not self.is_paused and self._transport is not None:
            self.is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self.is_paused and self._transport is not None:
            self.is_paused = False
            self._transport.resume_reading()
