"""The server's certificates: read, given by the name a client asks for, read anew when replaced.

Purpose:
    `choose` gives what a handshake needs for one PEM file (key and chain, as qmail's TLS patch
    has it): control/servercert.pem, or TLS_SERVER_CERT of the client's rule. Of the files in
    `ssl/` the one is taken that is called by the name in the client's SNI: `ssl/NAME.pem`, else
    `ssl/.PARENT.pem` for every name below PARENT.

Always:
    - TLS 1.2 and 1.3; no renegotiation, no compression; the server's order of ciphers.
    - A file is looked at once a second at most, and at each SNI. One that cannot be used after a
      change keeps the last good certificate, and the problem is told once.
"""

import os
import ssl
from collections.abc import Callable
from typing import NamedTuple

from glassmail.core.model.system_errors import words_of
from glassmail.net.tls import TlsObject, reason_of

DEFAULT = "control/servercert.pem"
CLIENT_CA = "control/clientca.pem"
DIRECTORY = "ssl"
CHECK_INTERVAL_S = 1.0
CONTEXTS_MAX = 1_000
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")

_Stamp = tuple[int, int, int] | None


class _Key(NamedTuple):
    path: str
    ciphers: str
    asks_certificate: bool


class Certificate(NamedTuple):
    """What a handshake needs.

    Attributes:
        context: for ssl.
        name: what the certificate is called in trails: its path below the site.
    """

    context: ssl.SSLContext
    name: str


class _Kept:
    __slots__ = ("certificate", "looked_at", "stamp")

    def __init__(self) -> None:
        self.certificate: Certificate | None = None
        self.stamp: tuple[_Stamp, _Stamp] | None = None
        self.looked_at = float("-inf")


class _CiphersError(Exception):
    """A list of ciphers that OpenSSL makes nothing of; the file is not to blame."""


class Certificates:
    """The certificates of one process."""

    def __init__(
        self, root: str, clock: Callable[[], float], tell: Callable[[str], None]
    ) -> None:
        """Read nothing yet.

        Args:
            root: the site's directory.
            clock: seconds that never go back.
            tell: takes the text of each problem.
        """
        self._root = root
        self._clock = clock
        self._tell = tell
        self._kept: dict[_Key, _Kept] = {}

    def choose(
        self, path: bytes, ciphers: bytes, *, asks_certificate: bool = False
    ) -> Certificate | None:
        """Return a certificate that can be used, None when there is none.

        Args:
            path: of a PEM file, relative to the site; empty for control/servercert.pem.
            ciphers: an OpenSSL list for TLS 1.2; empty for the library's.
            asks_certificate: whether the client may show one, signed by control/clientca.pem.
        """
        named = os.fsdecode(path) or DEFAULT
        return self._find(_Key(named, ciphers.decode("ascii", "replace"), asks_certificate))

    def _find(self, key: _Key) -> Certificate | None:
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= CONTEXTS_MAX:
                self._kept.clear()
            kept = self._kept[key] = _Kept()
        now = self._clock()
        if now - kept.looked_at < CHECK_INTERVAL_S:
            return kept.certificate
        kept.looked_at = now
        authority = os.path.join(self._root, CLIENT_CA) if key.asks_certificate else ""
        full = os.path.join(self._root, key.path)
        stamp = _stamp(full), _stamp(authority) if authority else None
        if stamp == kept.stamp:
            return kept.certificate
        kept.stamp = stamp
        if stamp[0] is None:
            kept.certificate = None
            return None
        try:
            kept.certificate = Certificate(self._read(full, authority, key), key.path)
        except _CiphersError as error:
            self._tell(f"ciphers {key.ciphers!r}: {error}: mend control/tlsserverciphers, or "
                       "TLSCIPHERS of a rule, which hold an OpenSSL list")  # fmt: skip
        except (OSError, ssl.SSLError, ValueError) as error:
            self._tell(f"{key.path}: {_why(error)}: the file needs a key and its certificates "
                       "in PEM, readable by the user of smtpd")  # fmt: skip
        return kept.certificate

    def _read(self, full: str, authority: str, key: _Key) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= (
            ssl.OP_NO_COMPRESSION
            | ssl.OP_NO_RENEGOTIATION
            | ssl.OP_CIPHER_SERVER_PREFERENCE
            | ssl.OP_SINGLE_ECDH_USE
        )
        # A ticket of TLS 1.3 would cost more than it saves a mail server, and its key never
        # changes while the context lives.
        context.num_tickets = 0
        if key.ciphers:
            try:
                context.set_ciphers(key.ciphers)
            except (ssl.SSLError, ValueError) as error:
                raise _CiphersError(_why(error)) from error
        context.load_cert_chain(full)
        if authority and os.path.exists(authority):
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_OPTIONAL
        context.sslobject_class = TlsObject
        context.sni_callback = self._sni(key)
        return context

    def _sni(self, key: _Key) -> Callable[[ssl.SSLObject, str | None, ssl.SSLContext], None]:
        def choose(made: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            if not name or not isinstance(made, TlsObject):
                return
            made.requested_name = name[:255]
            found = self._named(name.lower(), key)
            if found is not None:
                made.context = found.context
                made.certificate = found.name

        return choose

    def _named(self, name: str, key: _Key) -> Certificate | None:
        """Find the certificate for a name; the client's bytes become no path."""
        if len(name) > 253 or not _NAME_LETTERS.issuperset(name) or name.startswith("."):
            return None
        file = name
        while file.strip("."):
            path = f"{DIRECTORY}/{file}.pem"
            if os.path.exists(os.path.join(self._root, path)):
                return self._find(key._replace(path=path))
            file = "." + file.removeprefix(".").partition(".")[2]
        return None


def _stamp(path: str) -> _Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return reason_of(error)
    return words_of(error)
