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
from itertools import islice

import msgspec

from glassmail.daemons.context import Context
from glassmail.daemons.life import Life, live
from glassmail.daemons.smtpd_connection import Connection
from glassmail.daemons.titles import Title
from glassmail.events.process import Alerted, SettingBroken
from glassmail.net.limits import BACKLOG
from glassmail.net.own_addresses import is_ours
from glassmail.net.queue_client import QueueClient
from glassmail.net.reporter import Reporter, tell_once
from glassmail.stations.certificates import Certificates
from glassmail.stations.client_rules import ClientRules
from glassmail.stations.front_ask import FrontAsk
from glassmail.stations.limits import SESSIONS_MAX, STOPPING_S
from glassmail.stations.services import Services
from glassmail.stations.session_settings import SettingsReader
from glassmail.store.control import ControlError, Controls

ROLE = "smtpd"
CANNOT_START = 111
FIRST_CODES_S = 5.0  # how long the start waits for the queue
TICK_S = 1.0
SESSIONS_SHOWN = 20  # of a process, in live views
PULSE_TICKS = 10  # sessions are told so often although their number is the same
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
        self._settings = SettingsReader(
            controls, place, time.monotonic,
            lambda problem: self._alert(f"no session is served: {problem}"),
        )  # fmt: skip
        self._rules = rules
        rules.on_change = self._look_who_counts
        self._ticking: asyncio.TimerHandle | None = None
        self._title = Title("qmail-smtpd")
        self._shown = self._pulse_in = 0
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
            gate=self._ask.gate,
            certificates=Certificates(place.root, time.monotonic, self._setting_broken),
        )
        self._ask.gate.on_taps = self._look_at_taps

    async def start(self) -> None:
        """Connect to the other processes, then accept clients."""
        self._loop.set_exception_handler(self._fault)
        self._reporter.start()
        self._ask.start()
        self._queue.start()
        await self._queue.wait_for_codes(FIRST_CODES_S)
        self._life.on_reload = self._reload
        self._life.on_stop = self.stop
        self._look_who_counts()
        self._look_who_logs_in()
        for listener, sock in self._life.context.listeners:
            make = partial(Connection, self, listener)
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
        self._ask.gate.expire()
        self._look_who_counts()
        self._look_who_logs_in()
        self._show_sessions()

    def _show_sessions(self) -> None:
        """Tell live views and `ps` how many sessions there are, and some of them."""
        count = len(self.connections)
        self._pulse_in -= 1
        if count or count != self._shown or self._pulse_in <= 0:
            self._shown, self._pulse_in = count, PULSE_TICKS
            some = [one.summary() for one in islice(self.connections, SESSIONS_SHOWN)]
            rows = [msgspec.json.encode(row) for row in some if row]
            self._reporter.pulse({"sessions": count, "sessions_most": SESSIONS_MAX}, rows)
            self._title.show(f"{count} session{'s' * (count != 1)}" if count else "")

    def _look_who_logs_in(self) -> None:
        """Know which mechanisms every account has a verifier for, before EHLO has to tell them."""
        if self._settings.now().policy.auth_sources:
            self._ask.verified_mechanisms()

    def _look_who_counts(self) -> None:
        """Have connections counted while a rule or setting limits them."""
        gate = self._ask.gate
        is_counting = self._rules.counts_connections or self._settings.now().is_counting
        if is_counting and not gate.is_counting:
            for connection in list(self.connections):
                connection.enter()
        gate.is_counting = is_counting

    def _look_at_taps(self) -> None:
        for connection in list(self.connections):
            connection.look_at_taps()

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
