"""One client's connection: the Wire below a Session, and its way to that session.

Always:
    - A client of which nothing has to be asked gets its session at once.
    - What a client does not read is not piled up; neither is what it sends before its session.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from glassmail.core.formats.client_keys import unmapped
from glassmail.core.formats.listen import WITH_TLS, Listener
from glassmail.core.model.reply import Reply
from glassmail.core.policy.facts import Client
from glassmail.core.protocol import replies
from glassmail.daemons.smtpd_tls import TlsPump
from glassmail.stations.arrival import Arrival, Met, is_simple
from glassmail.stations.certificates import Certificate
from glassmail.stations.limits import SESSIONS_MAX
from glassmail.stations.services import Services
from glassmail.stations.session import Session

_NOBODY = ("", 0)


class Owner(Protocol):
    """The process of a connection."""

    services: Services
    connections: "set[Connection]"
    is_stopping: bool

    def end_if_done(self) -> None:
        """A connection is gone."""


class Connection(asyncio.Protocol):
    """One client's connection: the Wire below a Session."""

    __slots__ = (
        "_arrival", "_listener", "_process", "_session", "_tls", "_transport", "is_blocked",
        "is_paused",
    )  # fmt: skip

    def __init__(self, process: Owner, listener: Listener) -> None:
        self._process = process
        self._listener = listener
        self._arrival: Arrival | None = None
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._tls: TlsPump | None = None
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
        process.connections.add(self)
        # A link-local address carries its interface behind a `%`.
        ip = unmapped(peer[0].partition("%")[0].encode("ascii"))
        local = transport.get_extra_info("sockname") or _NOBODY
        local_ip = unmapped(local[0].partition("%")[0].encode("ascii"))
        client = Client(ip, peer[1], None, None, local_ip, local[1])
        is_crowded = len(process.connections) > SESSIONS_MAX
        if is_crowded or is_simple(process.services, self._listener):
            session = self._session = self._meet(client)
            self._begin(session, replies.TOO_MANY_SESSIONS if is_crowded else None)
            if process.is_stopping:
                session.stop()
        else:
            self._arrival = Arrival(process.services, self._listener, client, self._arrived)
            self._arrival.begin()

    def _meet(self, client: Client) -> Session:
        service = WITH_TLS.get(self._listener.service, self._listener.service)
        return Session(self._process.services, self, client, service)

    def _begin(self, session: Session, refusal: Reply | None = None) -> None:
        """Greet the client, after the handshake where the listener begins with one."""
        if self._listener.service not in WITH_TLS:
            session.begin(refusal)
            return
        certificate = session.certificate()
        if certificate is None:
            session.tls_failed("there is no certificate that can be used")
            self.hang_up()
            return
        self.start_tls(certificate, lambda: session.begin(refusal))

    def _arrived(self, met: Met) -> None:
        """A client of which something was asked is here."""
        self._arrival = None
        session = self._session = self._meet(met.client)
        session.introduced(met.steps)
        self.resume()
        if met.is_refused:
            session.turn_away("proxy")
            return
        self._begin(session)
        if met.unread:
            self._safely(self._tls.receive if self._tls else session.receive, met.unread)
        if self._process.is_stopping:
            session.stop()

    def _safely(self, receive: Callable[[bytes], None], data: bytes) -> None:
        try:
            receive(data)
        except Exception:
            # The loop tells of it (_fault) but leaves the connection open: the client would wait.
            self.abort()
            raise

    def data_received(self, data: bytes) -> None:
        """The client sent something."""
        session = self._session
        if session is not None:
            try:
                if self._tls is None:
                    session.receive(data)
                else:
                    self._tls.receive(data)
            except Exception:
                # The loop tells of it (_fault) but leaves the connection open: the client waits.
                self.abort()
                raise
        elif (arrival := self._arrival) is not None:
            self._safely(arrival.receive, data)
            if self._arrival is arrival and arrival.is_full:
                self.pause()

    def eof_received(self) -> bool:
        """The client sends nothing more; it may still read."""
        if self._tls is not None:
            self._tls.end_of_input()
        elif self._session is not None:
            self._session.end_of_input()
        elif self._arrival is not None and self._arrival.end_of_input():
            self.hang_up()
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
        if self._arrival is not None:
            self._arrival.lost()
        if session is not None:
            session.lost()
        self._process.end_if_done()

    # --- from the process ----------------------------------------------------------------------

    def summary(self) -> dict[str, str | int] | None:
        """What a live view shows of the session; None before there is one."""
        return self._session.record.summary() if self._session is not None else None

    def tick(self, now: float) -> None:
        """A second has passed."""
        if self._session is not None:
            self._session.tick(now)
            if self._tls is not None:
                self._tls.tick(now)
        elif self._arrival is not None:
            self._arrival.tick(now)

    def stop(self, *, is_last_call: bool = False) -> None:
        """The server stops."""
        if self._session is not None:
            self._session.stop(is_last_call=is_last_call)
        elif self._arrival is not None:
            self.abort()  # nothing was promised to it yet

    def enter(self) -> None:
        """Connections are counted from now on."""
        if self._session is not None:
            self._session.enter()

    def look_at_taps(self) -> None:
        """Somebody began or ceased to watch sessions."""
        if self._session is not None:
            self._session.look_at_taps()

    # --- from the session (stations.services.Wire) ---------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None:
            self._transport.write(data if self._tls is None else self._tls.encrypt(data))

    def hang_up(self) -> None:
        """Close when everything is sent."""
        if self._transport is not None:
            if self._tls is not None:
                self._tls.close()
            self._transport.close()

    def start_tls(
        self, certificate: Certificate, then: Callable[[], None] | None = None
    ) -> None:
        """Let the handshake begin; nothing else comes in or goes out any more."""
        session, transport = self._session, self._transport
        if session is not None and transport is not None:
            now = self._process.services.clock()
            self._tls = TlsPump(certificate, session, transport.write, self._close, now, then)

    def _close(self) -> None:
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
