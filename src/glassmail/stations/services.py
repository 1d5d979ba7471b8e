"""What the sessions of a process share, and what a session needs of its connection."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from glassmail.core.ask import Ask
from glassmail.events.event import Event
from glassmail.net.gate_client import GateClient
from glassmail.net.queue_client import QueueClient
from glassmail.stations.certificates import Certificate, Certificates
from glassmail.stations.client_rules import ClientRules
from glassmail.stations.front_programs import Programs
from glassmail.stations.session_settings import SettingsReader


class Wire(Protocol):
    """The connection below a session."""

    is_blocked: bool
    """Whether the client does not read what we sent; nothing should be sent now."""
    is_paused: bool
    """Whether nothing is read from the client now."""

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def hang_up(self) -> None:
        """Close when everything is sent."""

    def abort(self) -> None:
        """Close now."""

    def pause(self) -> None:
        """Stop reading; may be said twice."""

    def resume(self) -> None:
        """Read again; may be said twice."""

    def start_tls(self, certificate: Certificate) -> None:
        """Let the handshake begin; `secured` or `tls_failed` of the session tells how it went."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that sessions ask or tell.

    Attributes:
        settings: the control files.
        rules: the rules for clients.
        ask: answers the policy's questions.
        queue: takes messages.
        tell: takes events.
        is_ours: whether an IPv4 address is one of this host's.
        clock: seconds that never go back.
        now_ns: nanoseconds since 1970.
        alert: takes the text of a fault in this program.
        programs: runs programs of the site; None where none can run.
        root: directory of the site.
        certificates: for TLS; None where there are none.
        gate: counts what all sessions share; None where nobody does.
    """

    settings: SettingsReader
    rules: ClientRules
    ask: Ask
    queue: QueueClient
    tell: Callable[[Event], None]
    is_ours: Callable[[str], bool]
    clock: Callable[[], float]
    now_ns: Callable[[], int]
    alert: Callable[[str], None]
    programs: Programs | None = None
    root: str = ""
    gate: GateClient | None = None
    certificates: Certificates | None = None
