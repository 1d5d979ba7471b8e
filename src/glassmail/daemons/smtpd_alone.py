"""qmail-smtpd as a command: one session on descriptors 0 and 1, by the same core and checks.

Purpose:
    tcpserver, xinetd and the programs between (rblsmtpd, recordio, fixcrio) run it for each
    connection. It hands messages to the running server's queue.

Always:
    - With TCPREMOTEIP in the environment the environment is the client's rule. Else the client is
      the peer of descriptor 0 and control/tcp.smtp has its rule.
    - Any kind of descriptor will do: reading waits in a thread, so that none is changed for the
      programs that share it.
    - Exit code 0 after QUIT, 1 when the session ended in another way (qmail-smtpd.c).
"""

import asyncio
import contextlib
import os
import select
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Mapping

from glassmail.core.formats.client_keys import unmapped
from glassmail.core.policy.facts import Client
from glassmail.daemons.smtpd_tls import TlsPump
from glassmail.events.event import Event
from glassmail.events.process import Alerted, SettingBroken
from glassmail.events.session_lines import lines
from glassmail.events.smtpd import Noted, SessionEnded
from glassmail.net.own_addresses import is_ours
from glassmail.net.queue_client import QueueClient
from glassmail.net.reporter import Reporter
from glassmail.settings.place import Place
from glassmail.stations.certificates import Certificate, Certificates
from glassmail.stations.client_rules import ClientRules
from glassmail.stations.environment_rules import EnvironmentRules, client_of
from glassmail.stations.front_ask import FrontAsk
from glassmail.stations.introduction import introduce
from glassmail.stations.services import Services
from glassmail.stations.session import Session
from glassmail.stations.session_settings import SessionSettings, SettingsReader
from glassmail.store.control import ControlError, Controls

ROLE = "smtpd"
READ_BYTES = 65_536
WRITE_BYTES = 4_096  # PIPE_BUF: what poll(2) promises that a pipe takes
FIRST_CODES_S = 5.0
TICK_S = 1.0
_NO_CONTROLS = b"421 unable to read controls (#4.3.0)\r\n"


def run(place: Place, environment: Mapping[bytes, bytes]) -> int:
    """Serve one session; return the exit code."""
    try:
        controls = Controls(place.control)
        rules, client = _who(place, environment)
    except ControlError as error:
        os.write(2, f"qmail-smtpd: fatal: {error}\n".encode("utf-8", "replace"))
        os.write(1, _NO_CONTROLS)
        return 1
    with contextlib.suppress(OSError):  # then relative paths of programs lead nowhere
        os.chdir(place.root)
    return asyncio.run(_serve(place, controls, rules, client))


def _who(place: Place, environment: Mapping[bytes, bytes]) -> tuple[ClientRules, Client]:
    if b"TCPREMOTEIP" not in environment:
        peer = _peer()
        if peer is not None:
            return ClientRules(place.tcp_rules, time.monotonic), peer
    return EnvironmentRules(time.monotonic, environment), client_of(environment)


def _peer() -> Client | None:
    try:
        with socket.socket(fileno=os.dup(0)) as sock:
            local, remote = sock.getsockname(), sock.getpeername()
    except OSError:
        return None  # no connection: a pipe, a terminal
    if not isinstance(remote, tuple):
        return None
    ends = (remote[0], local[0])
    ip, local_ip = (unmapped(end.partition("%")[0].encode("ascii")) for end in ends)
    return Client(ip, remote[1], None, None, local_ip, local[1])


async def _serve(place: Place, controls: Controls, rules: ClientRules, client: Client) -> int:
    reporter = Reporter(place.log_socket, ROLE)
    queue = QueueClient(place.queue_socket, ROLE)
    ask = FrontAsk(place, ROLE, controls)

    def alert(text: str) -> None:
        reporter.tell(Alerted(time.time_ns(), ROLE, text))

    def broken(problem: str) -> None:
        reporter.tell(SettingBroken(time.time_ns(), ROLE, problem))

    controls.tell_problems(broken, ROLE)
    settings = _Settings(controls, place, time.monotonic)
    wire = _Wire()
    services = Services(
        settings=settings, rules=rules, ask=ask, queue=queue, tell=_told(reporter, wire),
        is_ours=is_ours, clock=time.monotonic, now_ns=time.time_ns, alert=alert,
        programs=ask.programs, root=place.root, gate=ask.gate,
        certificates=Certificates(place.root, time.monotonic, broken),
    )  # fmt: skip
    reporter.start()
    ask.start()
    queue.start()
    await queue.wait_for_codes(FIRST_CODES_S)
    ask.gate.is_counting = rules.counts_connections or settings.now().is_counting
    client, steps = await introduce(client, settings.now(), rules, ask)
    session = Session(services, wire, client, "smtp")
    session.introduced(tuple(steps))
    try:

        def look_at_time() -> None:
            queue.expire()
            ask.gate.expire()

        wire.on_tick = look_at_time
        await wire.drive(session, float(settings.now().timeout_s))
    finally:
        queue.close()
        ask.close()
        reporter.close()
    return 0 if wire.how == "quit" else 1


class _Settings(SettingsReader):
    """The site's settings; tcpserver's lines are told by tcpserver."""

    def now(self) -> SessionSettings:
        found = super().now()
        return found._replace(policy=found.policy._replace(is_tcpserver_log=False))


def _told(reporter: Reporter, wire: "_Wire") -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        if isinstance(event, Noted):  # administrators read these behind tcpserver's lines
            with contextlib.suppress(OSError):
                os.write(2, lines(event))
        elif isinstance(event, SessionEnded):
            wire.how = event.how
        reporter.tell(event)

    return tell


class _Wire:
    """Descriptors 0 and 1 below a session."""

    def __init__(self) -> None:
        self.is_blocked = False
        self.is_paused = False
        self.how = ""
        self.on_tick: Callable[[], None] = lambda: None
        self._session: Session | None = None
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._may_read = threading.Event()
        self._timeout_s = 0.0
        self._tls: TlsPump | None = None

    async def drive(self, session: Session, timeout_s: float) -> None:
        """Serve a session to its end."""
        self._session = session
        self._timeout_s = timeout_s
        self._may_read.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, session.stop)
        threading.Thread(target=self._read, daemon=True).start()
        self._safely(session.begin)
        ticking = self._loop.create_task(self._tick(session))
        await self._ended.wait()
        ticking.cancel()
        session.lost()

    async def _tick(self, session: Session) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._safely(session.tick, time.monotonic())
            if self._tls is not None:
                self._safely(self._tls.tick, time.monotonic())
            self._safely(self.on_tick)

    def _read(self) -> None:
        """Wait for the client, in a thread of its own."""
        while True:
            self._may_read.wait()
            try:
                data = os.read(0, READ_BYTES)
            except OSError:
                data = b""
            try:
                self._loop.call_soon_threadsafe(self._came, data)
            except RuntimeError:
                return  # the session is over
            if not data:
                return

    def _came(self, data: bytes) -> None:
        session = self._session
        if session is None or self._ended.is_set():
            return
        heard = session if self._tls is None else self._tls
        if data:
            self._safely(heard.receive, data)
        else:
            self._safely(heard.end_of_input)

    def _safely(self, call: Callable[..., None], *arguments: object) -> None:
        try:
            call(*arguments)
        except Exception:  # noqa: BLE001 (the client must not wait for an answer that cannot come)
            os.write(2, traceback.format_exc().encode("utf-8", "replace"))
            self.abort()

    # --- stations.services.Wire ----------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes; there is nobody else to serve meanwhile."""
        self._write(data if self._tls is None else self._tls.encrypt(data))

    def _write(self, data: bytes) -> None:
        poll = select.poll()
        poll.register(1, select.POLLOUT)
        at = 0
        try:
            while at < len(data) and poll.poll(self._timeout_s * 1_000):
                at += os.write(1, data[at : at + WRITE_BYTES])
        except OSError:
            at = 0  # the client is gone
        if at < len(data):
            self.abort()

    def hang_up(self) -> None:
        """End the session: everything is sent."""
        if self._tls is not None:
            self._tls.close()
        self._ended.set()

    def abort(self) -> None:
        """End the session."""
        self._ended.set()

    def pause(self) -> None:
        """Stop reading."""
        self.is_paused = True
        self._may_read.clear()

    def resume(self) -> None:
        """Read again."""
        self.is_paused = False
        self._may_read.set()

    def start_tls(self, certificate: Certificate) -> None:
        """Let the handshake begin; nothing else comes in or goes out any more."""
        assert self._session is not None
        now = time.monotonic()
        self._tls = TlsPump(certificate, self._session, self._write, self._ended.set, now)
