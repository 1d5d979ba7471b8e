"""Sessions that somebody watches: their lines go to the gate, and from there to `glass tap`.

Always:
    - A session that nobody watches has no Tapping at all.
    - While recipients are asked for, every session keeps its lines until one of them is named,
      up to KEPT_LINES_MAX; then all of it is told.
"""

import msgspec

from glassmail.core.model.networks import Network, NetworkError, address_of, parse
from glassmail.core.protocol.smtp_commands import State
from glassmail.core.protocol.smtp_server import SmtpServer
from glassmail.core.protocol.transcript import CLIENT, Line, Transcript
from glassmail.net.gate_client import GateClient
from glassmail.net.gate_messages import Tap

KEPT_LINES_MAX = 2_000
_RCPT = b"RCPT TO"


class Tapping:
    """The taps of one session."""

    __slots__ = ("_client", "_gate", "_session", "_taps")

    def __init__(self, gate: GateClient, session: str, client: bytes, core: SmtpServer) -> None:
        """Begin with the taps that there are.

        Args:
            gate: gets the lines.
            session: trace code.
            client: its address.
            core: where the session stands.
        """
        self._gate = gate
        self._session = session
        self._client = client
        address = address_of(client)
        self._taps = [
            _Watched(tap, core)
            for tap in gate.taps.values()
            if tap.recipient or _holds(tap.network, address)
        ]

    @property
    def is_empty(self) -> bool:
        """Tell whether nobody watches."""
        return not self._taps

    def keep(self, before: "Tapping") -> None:
        """Go on with what the taps that were there before have seen."""
        known = {watched.tap.number: watched for watched in before._taps}  # noqa: SLF001 (own kind)
        self._taps = [known.get(watched.tap.number, watched) for watched in self._taps]

    def client(self, data: bytes, now_ns: int) -> None:
        """Take what the client sent."""
        for watched in self._taps:
            self._tell(watched, watched.transcript.client(data), now_ns)

    def server(self, data: bytes, now_ns: int) -> None:
        """Take what we sent."""
        for watched in self._taps:
            self._tell(watched, watched.transcript.server(data), now_ns)

    def ended(self, how: str, now_ns: int) -> None:
        """The session is over."""
        for watched in self._taps:
            self._tell(watched, [Line("-", b"session ended: " + how.encode())], now_ns)

    def _tell(self, watched: "_Watched", lines: list[Line], now_ns: int) -> None:
        rows = [
            msgspec.json.encode({
                "at": now_ns,
                "session": self._session,
                "client": self._client.decode("ascii", "replace"),
                "side": line.side,
                "text": line.text.decode("utf-8", "backslashreplace"),
            })
            for line in lines
        ]  # fmt: skip
        if watched.kept is not None:
            watched.kept = (watched.kept + rows)[-KEPT_LINES_MAX:]
            if not any(watched.is_meant(line) for line in lines):
                return
            rows, watched.kept = watched.kept, None
        if rows and watched.tap.number in self._gate.taps:
            self._gate.transcript(watched.tap.number, tuple(rows))


class _Watched:
    """One tap in one session; `kept` holds its lines until its recipient is named."""

    __slots__ = ("kept", "tap", "transcript")

    def __init__(self, tap: Tap, core: SmtpServer) -> None:
        self.tap = tap
        self.transcript = Transcript(
            has_bodies=tap.has_bodies,
            has_secrets=tap.has_secrets,
            is_in_body=core.state is State.BODY,
            is_in_auth=core.state is State.AUTH,
            is_greeted=core.state is not State.CONNECTED,
            unanswered=int(core.is_awaiting_reply and core.state is not State.CONNECTED),
        )
        self.kept: list[bytes] | None = [] if tap.recipient else None

    def is_meant(self, line: Line) -> bool:
        """Tell whether a line names the recipient."""
        text = line.text.lower()
        if line.side != CLIENT or not text.upper().startswith(_RCPT):
            return False
        address = text.partition(b":")[2].strip().partition(b">")[0].lstrip(b"< ").strip()
        wanted = self.tap.recipient
        return address == wanted or (wanted.startswith(b"@") and address.endswith(wanted))


def _holds(network: str, address: Network | None) -> bool:
    try:
        return address is not None and parse(network).holds(address)
    except NetworkError:
        return False  # the gate checked it; from another version it may be anything
