"""Live transcripts of sessions: who wants which, and until when.

Always:
    - A tap ends by itself at its time, or when whoever asked for it goes away.
    - A reader that does not keep up loses its tap; the sessions never wait for it.
"""

import time
from collections.abc import Callable

import msgspec

from glassmail.core.model.networks import NetworkError, parse
from glassmail.daemons.gate_peer import Peer
from glassmail.net.gate_messages import Tap, Transcript, Untap
from glassmail.net.messages import Failed, Message, Request, Rows

TAPS_MAX = 20
TAP_S = 600.0
TAP_S_MAX = 86_400.0
UNSENT_BYTES_MAX = 4_194_304


class Taps:
    """The taps of a site."""

    def __init__(self, to_servers: Callable[[Message], None]) -> None:
        """Begin without any.

        Args:
            to_servers: sends a message to every process of the SMTP server.
        """
        self._to_servers = to_servers
        self._taps: dict[int, tuple[Peer, int, Tap]] = {}
        self._number = 0

    def running(self) -> list[Tap]:
        """Return the taps, for a process that has just come."""
        return [tap for _peer, _ref, tap in self._taps.values()]

    def begin(self, peer: Peer, request: Request, now: float) -> Rows | Failed:
        """Begin a tap; its transcripts follow as further Rows of the request."""
        if len(self._taps) >= TAPS_MAX:
            return Failed(request.ref, 1, f"{TAPS_MAX} taps run already")
        arguments = request.arguments
        who = str(arguments.get("who") or "")
        seconds = arguments.get("seconds")
        until = now + min(float(seconds) if isinstance(seconds, int) else TAP_S, TAP_S_MAX)
        network, recipient = "", b""
        if "@" in who:
            recipient = who.encode("utf-8", "surrogateescape").lower()
        else:
            try:
                network = parse(who).text
            except NetworkError as error:
                return Failed(request.ref, 2, str(error))
        self._number += 1
        tap = Tap(
            self._number, network, recipient, bool(arguments.get("bodies")),
            bool(arguments.get("secrets")), until,
        )  # fmt: skip
        self._taps[self._number] = (peer, request.ref, tap)
        self._to_servers(tap)
        row = {"event": "begun", "who": who, "seconds": int(until - now)}
        return Rows(request.ref, (msgspec.json.encode(row),), more=True)

    def forward(self, message: Transcript) -> None:
        """Give lines to whoever asked for them."""
        found = self._taps.get(message.number)
        if found is None:
            self._to_servers(Untap(message.number))
            return
        peer, ref, _tap = found
        if peer.unsent_bytes > UNSENT_BYTES_MAX:
            self._end(message.number, "the reader does not keep up")
        else:
            peer.send(Rows(ref, message.rows, more=True))

    def expire(self, now: float) -> None:
        """End taps whose time is over."""
        for number in [n for n, (_p, _r, tap) in self._taps.items() if tap.until <= now]:
            self._end(number, "its time is over")

    def gone(self, peer: Peer) -> None:
        """End the taps of somebody who went away."""
        for number in [n for n, (other, _r, _t) in self._taps.items() if other is peer]:
            self._end(number, "nobody reads it")

    def _end(self, number: int, why: str) -> None:
        peer, ref, _tap = self._taps.pop(number)
        self._to_servers(Untap(number))
        row = {"event": "ended", "why": why, "at": time.time_ns()}
        peer.send(Rows(ref, (msgspec.json.encode(row),)))
