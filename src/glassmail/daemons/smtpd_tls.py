"""TLS between a connection and its session: STARTTLS, and listeners that begin with the handshake.

Always:
    - A handshake that takes longer than HANDSHAKE_S, or fails, ends the connection and is told.
    - Until the handshake is over the session hears nothing.
"""

from collections.abc import Callable

from glassmail.net.tls import TlsError, TlsLayer
from glassmail.stations.certificates import Certificate
from glassmail.stations.session import Session

HANDSHAKE_S = 60.0


class TlsPump:
    """TLS of one connection."""

    __slots__ = ("_begun_at", "_hang_up", "_layer", "_on_secured", "_session", "_write")

    def __init__(
        self,
        certificate: Certificate,
        session: Session,
        write: Callable[[bytes], None],
        hang_up: Callable[[], None],
        begun_at: float,
        on_secured: Callable[[], None] | None = None,
    ) -> None:
        """Wait for the client's first bytes of the handshake.

        Args:
            certificate: to be shown.
            session: what is served.
            write: puts bytes on the wire.
            hang_up: closes the connection when they are sent.
            begun_at: now, in the clock of `tick`.
            on_secured: called when the session is secured, before it hears anything.
        """
        self._layer = TlsLayer(certificate.context, certificate.name)
        self._session = session
        self._write = write
        self._hang_up = hang_up
        self._begun_at = begun_at
        self._on_secured = on_secured

    def receive(self, data: bytes) -> None:
        """Take bytes off the wire."""
        layer, session = self._layer, self._session
        was_done = layer.is_done
        try:
            plain = layer.receive(data)
        except TlsError as error:
            self._fail(str(error))
            return
        out = layer.output()
        if out:
            self._write(out)
        if layer.is_done and not was_done:
            session.secured(layer.facts())
            if self._on_secured is not None:
                self._on_secured()
        if plain:
            session.receive(plain)
        if layer.is_ended:
            session.end_of_input()

    def encrypt(self, data: bytes) -> bytes:
        """Return what is to go over the wire so that the client reads `data`."""
        return self._layer.encrypt(data) if self._layer.is_done else b""

    def end_of_input(self) -> None:
        """The client sends nothing more, TLS or not."""
        if self._layer.is_done:
            self._session.end_of_input()
        else:
            self._fail("the client hung up in the handshake")

    def tick(self, now: float) -> None:
        """Look at the time."""
        if not self._layer.is_done and now - self._begun_at > HANDSHAKE_S:
            self._fail(f"no handshake within {HANDSHAKE_S:.0f} s")

    def close(self) -> None:
        """Say that nothing more is sent."""
        if self._layer.is_done:
            self._write(self._layer.close())

    def _fail(self, reason: str) -> None:
        alert = self._layer.output()
        if alert:
            self._write(alert)
        if not self._session.is_over:
            self._session.tls_failed(reason)
        self._hang_up()
