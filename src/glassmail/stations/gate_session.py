"""What a session tells the gate: that it is there, what went wrong, what it sent, what is said.

Always:
    - A session that no limit is about and nobody watches tells nothing; finding that out costs
      a look at an attribute or two.
    - The server's own faults are nobody's errors.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

from glassmail.core.model.trail import Trail
from glassmail.core.model.verdict import Effect
from glassmail.core.policy import blocked, connections, pipeline
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol.smtp_server import SmtpServer
from glassmail.core.schedule.gate_book import BAD_RECIPIENT, ERROR, MESSAGE
from glassmail.events.smtpd import Connected, Disconnected
from glassmail.stations.limits import SESSIONS_MAX
from glassmail.stations.record import Record
from glassmail.stations.services import Services, Wire
from glassmail.stations.session_settings import SessionSettings
from glassmail.stations.tapping import Tapping

PID_MOST = 4_194_304  # proc(5) pid_max of Linux: readers of these lines expect no more
_UNKNOWN_RECIPIENT = frozenset(("recipient_exists", "recipients", "validrcptto"))
_SHUT_OUT = frozenset(("blocked", "connections", "load", "too_many_logins"))
_OUR_FAULTS = frozenset((
    "trouble", "queue", "blocked", "shutting_down", "service", "no_controls", "no_queue",
    "too_many_logins",
))  # fmt: skip


class GatedSession(ABC):
    """The part of a session that the gate knows of."""

    __slots__ = (
        "_core", "_counts", "_facts", "_is_entered", "_is_held", "_services", "_settings",
        "_tapping", "_wire", "is_over", "record",
    )  # fmt: skip

    _core: SmtpServer
    _facts: Facts
    _services: Services
    _settings: SessionSettings
    _wire: Wire
    is_over: bool
    record: Record

    def __init__(self) -> None:
        self._is_entered = False  # whether the gate counts this connection
        self._is_held = False  # whether the message is to be held in the queue
        self._tapping: Tapping | None = None
        # With tcpserver's lines: connections open, the end of a `deny` line, whether denied.
        self._counts: tuple[int, bytes, bool | None] = (0, b"", None)

    @abstractmethod
    def _advance(self) -> None: ...

    @abstractmethod
    def _told(self, stage: str, check: str, steps: Trail) -> None: ...

    @abstractmethod
    def _shown_code(self) -> str: ...

    # --- the gate's counts ---------------------------------------------------------------------

    def enter(self, limits: tuple[int, int, int] | None = None) -> None:
        """Let the gate count this connection, once.

        Args:
            limits: what its counts are wanted for; None: for nothing.
        """
        gate = self._services.gate
        if gate is not None and not self._is_entered and not self.is_over:
            self._is_entered = True
            client = self._facts.client
            gate.enter(client.ip, client.port, limits)

    def _arrived(self) -> None:
        gate = self._services.gate
        if gate is None:
            return
        if gate.is_counting:
            self.enter(connections.limits(self._facts))
        if gate.taps:
            self.look_at_taps()

    def _departed(self, how: str) -> None:
        gate = self._services.gate
        if self._is_entered and gate is not None:
            self._is_entered = False
            client = self._facts.client
            is_denied = self._counts[2]
            ended = None if is_denied is None else self._log_end(how, is_denied=is_denied)
            gate.leave(client.ip, client.port, ended)
        if self._tapping is not None:
            self._tapping.ended(how, self._services.now_ns())
            self._tapping = None

    def _count_refusal(self, stage: str, check: str) -> None:
        if check in _SHUT_OUT and self._core.sent:
            self._log_shut_out(check)
        elif check == "rblsmtpd":
            told = (self._facts.client.ip, self.record.pid, self._core.sent)
            self.record.note(b"rblsmtpd: %b pid %d: %b" % told, is_own=False)
        gate, watched = self._services.gate, self._settings.watched
        if gate is None or self._facts.variables.is_unlimited or check in _OUR_FAULTS:
            return
        ip = self._facts.client.ip
        if check in _UNKNOWN_RECIPIENT and BAD_RECIPIENT in watched:
            gate.happened(BAD_RECIPIENT, ip)
        if stage != pipeline.CONNECT and ERROR in watched:
            gate.happened(ERROR, ip)

    def _log_shut_out(self, check: str) -> None:
        """Tell it in rblsmtpd's form too, which fail2ban's filter `qmail` looks for."""
        said = self._core.sent.replace(b" ", b"_")
        facts = (self._facts.client.ip, self.record.pid, check.encode("ascii"))
        self.record.note(
            b"rblsmtpd: %b pid %d %b: %b %b" % (*facts, said[:3], said[4:]), is_own=False
        )

    def _count_message(self) -> None:
        gate = self._services.gate
        is_watched = MESSAGE in self._settings.watched
        if is_watched and gate is not None and not self._facts.variables.is_unlimited:
            gate.happened(MESSAGE, self._facts.client.ip)

    def _shut_out(self) -> bool:
        """Hang up on a client that came under a block meanwhile; False when it did not."""
        gate = self._services.gate
        if gate is None or self.is_over or self._core.is_awaiting_reply:
            return False
        found = gate.block_of(self._facts.client.ip)
        if found is None or self._facts.variables.is_unlimited:
            return False
        verdict = blocked.verdict(self._facts, found)
        assert verdict.reply is not None
        self._core.hang_up(verdict.reply)
        self._told("command", verdict.decided_by, verdict.steps)
        self._advance()
        return True

    # --- tcpserver's lines ---------------------------------------------------------------------

    def _counted(self, effect: Effect) -> None:
        count, detail, is_denied = self._counts
        self._counts = (effect.value or count, effect.key or detail, is_denied)

    def _log_connection(self, *, is_denied: bool) -> None:
        """Tell the connection as tcpserver does; its lines want a small number for a process id."""
        count, detail, _unknown = self._counts
        self._counts = (count, detail, is_denied)
        facts, record = self._facts, self.record
        client = facts.client
        record.pid = record.code % PID_MOST or PID_MOST
        name = facts.environment.get(b"TCPLOCALHOST", self._settings.me)
        self._services.tell(
            Connected(
                self._services.now_ns(), record.code, record.pid, name,
                client.local_ip.decode("ascii", "replace"), client.local_port,
                client.host or b"", client.ip.decode("ascii", "replace"), client.info or b"",
                client.port, is_denied, detail, count, self._connections_max(),
            )
        )  # fmt: skip

    def _log_end(self, how: str, *, is_denied: bool) -> Callable[[int], None]:
        status = 25_600 if is_denied else 0 if how == "quit" else 256
        services, code, pid = self._services, self.record.code, self.record.pid
        most = self._connections_max()

        def left(count: int) -> None:
            services.tell(Disconnected(services.now_ns(), code, pid, status, count, most))

        return left

    def _connections_max(self) -> int:
        return self._settings.policy.connections_max or SESSIONS_MAX

    # --- transcripts ---------------------------------------------------------------------------

    def look_at_taps(self) -> None:
        """Somebody began or ceased to watch sessions."""
        gate = self._services.gate
        if gate is None or self.is_over:
            return
        made = Tapping(gate, self._shown_code(), self._facts.client.ip, self._core)
        if self._tapping is not None:
            made.keep(self._tapping)
        self._tapping = None if made.is_empty else made

    def _send(self, data: bytes) -> None:
        if self._tapping is not None:
            self._tapping.server(data, self._services.now_ns())
        self._wire.send(data)
