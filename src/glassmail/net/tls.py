"""TLS below a session, as bytes in and bytes out (ssl.MemoryBIO), without a socket of its own.

Purpose:
    `TlsLayer` sits between a transport and a session. A handshake that fails is told with its
    reason, which asyncio's own TLS would only log; STARTTLS and listeners that begin with the
    handshake work the same way.

Always:
    - Nothing that was read before the handshake gets in: the layer sees only what came after.
    - A handshake is bounded by HANDSHAKE_BYTES_MAX; its time is the owner's.
"""

import ssl

from glassmail.core.policy.facts import TlsFacts

HANDSHAKE_BYTES_MAX = 262_144  # certificates of a client included
_READ = 65_536


class TlsError(Exception):
    """The handshake or a record failed; the text says why, `output` may hold an alert."""


class TlsObject(ssl.SSLObject):
    """A connection that remembers what the client asked for (SNI) and which certificate it got."""

    requested_name: str = ""
    certificate: str = ""


class TlsLayer:
    """One connection's TLS on the server's side.

    Attributes:
        is_done: whether the handshake is over.
        is_ended: whether the client has said that it sends nothing more.
    """

    def __init__(self, context: ssl.SSLContext, certificate: str = "") -> None:
        """Begin; the client speaks first.

        Args:
            context: from stations.certificates.
            certificate: what the context's certificate is called.
        """
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        made = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        assert isinstance(made, TlsObject)
        made.certificate = certificate
        self._object = made
        self._handshake_bytes = 0
        self.is_done = self.is_ended = False

    def receive(self, data: bytes) -> bytes:
        """Take bytes off the wire; return what the client said. Raises TlsError."""
        self._incoming.write(data)
        try:
            if not self.is_done:
                self._handshake_bytes += len(data)
                if self._handshake_bytes > HANDSHAKE_BYTES_MAX:
                    raise TlsError(f"a handshake of more than {HANDSHAKE_BYTES_MAX} bytes")
                self._object.do_handshake()
                self.is_done = True
            return self._read()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            raise TlsError(reason_of(error)) from error

    def _read(self) -> bytes:
        parts = []
        try:
            while part := self._object.read(_READ):
                parts.append(part)
            self.is_ended = True
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come
        except ssl.SSLZeroReturnError:
            self.is_ended = True
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def output(self) -> bytes:
        """Return what is to go over the wire now."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Return what is to go over the wire so that the client reads `data`."""
        self._object.write(data)
        return self._outgoing.read()

    def close(self) -> bytes:
        """Say that nothing more is sent; return what is to go over the wire."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass  # the client has not said so yet, and need not
        return self._outgoing.read()

    def facts(self) -> TlsFacts:
        """Tell what was agreed on."""
        cipher = self._object.cipher()
        return TlsFacts(
            self._object.version() or "",
            cipher[0] if cipher else "",
            self._object.requested_name,
            _email(self._object),
            self._object.certificate,
        )


def reason_of(error: ssl.SSLError) -> str:
    """Say what OpenSSL says, in its words."""
    # Errors of Python's own making have no reason.
    text = str(getattr(error, "reason", None) or error.args[-1]).lower().replace("_", " ")
    detail = getattr(error, "verify_message", "")
    return f"{text}: {detail}" if detail else text


def _email(made: ssl.SSLObject) -> bytes:
    """Return the e-mail address of the client's certificate, which OpenSSL has verified."""
    shown = made.getpeercert()
    if not shown:
        return b""
    # The subject is a tuple of relative names, each a tuple of pairs; the alternatives are pairs.
    names = list(shown.get("subjectAltName", ()))
    for part in shown.get("subject", ()):
        names.extend(part)
    for pair in names:
        if isinstance(pair, tuple) and pair[0] in ("email", "emailAddress"):
            return str(pair[1]).encode("ascii", "replace")
    return b""
