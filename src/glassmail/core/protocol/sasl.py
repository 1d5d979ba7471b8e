"""SASL on the server's side, without passwords: a client's bytes in, challenges and attempts out.

Purpose:
    `begin` starts an exchange for a mechanism; `step` takes what the client says and returns a
    Challenge to send, an Attempt that somebody who knows passwords has to judge, or None for what
    is malformed. SCRAM asks twice: salt and rounds first (`learned`), then the proof.

Mechanisms:
    PLAIN (RFC 4616), LOGIN (as Outlook speaks it), CRAM-MD5 (RFC 2195), SCRAM-SHA-256 (RFC 7677).

Always:
    - Who acts for somebody else (an authorization identity that is not the user) is malformed.
    - A name without bytes, with a NUL, or too long is malformed.
"""

import binascii
from typing import NamedTuple

from glassmail.core.model.limits import LOGIN_NAME_BYTES_MAX
from glassmail.core.protocol.smtp_auth import decode

PLAIN, LOGIN, CRAM_MD5, SCRAM_SHA_256 = MECHANISMS = (
    b"PLAIN", b"LOGIN", b"CRAM-MD5", b"SCRAM-SHA-256",
)  # fmt: skip
WITH_PASSWORD = (PLAIN, LOGIN)  # the password itself travels
SCRAM_SALT = b"SCRAM-SHA-256 salt"  # an attempt that only asks for salt and rounds
_USERNAME, _PASSWORD = b"Username:", b"Password:"


class Challenge(NamedTuple):
    """What is sent to the client, before base64."""

    data: bytes


class Attempt(NamedTuple):
    """Somebody says who he is.

    Attributes:
        mechanism: how; SCRAM_SALT asks for `iterations,salt` (base64) alone.
        user: as the client wrote it.
        first: the password; the challenge of CRAM-MD5; the message that SCRAM signs.
        second: the digest of CRAM-MD5, the proof of SCRAM; else empty.
    """

    mechanism: bytes
    user: bytes
    first: bytes = b""
    second: bytes = b""


Next = Challenge | Attempt | None


class Exchange:
    """One exchange of PLAIN, LOGIN or CRAM-MD5; SCRAM is a subclass."""

    __slots__ = ("_nonce", "_user", "mechanism")

    def __init__(self, mechanism: bytes, nonce: bytes) -> None:
        self.mechanism = mechanism
        self._nonce = nonce
        self._user = b""

    def begin(self, initial: bytes | None) -> Next:
        """Take the initial response, None when there is none."""
        if self.mechanism == CRAM_MD5:
            return Challenge(self._nonce) if initial is None else None
        if initial is not None:
            return self.step(initial)
        return Challenge(_USERNAME if self.mechanism == LOGIN else b"")

    def step(self, data: bytes) -> Next:
        """Take a response."""
        if self.mechanism == PLAIN:
            return _plain(data)
        if self.mechanism == CRAM_MD5:
            user, _blank, digest = data.rpartition(b" ")
            return _attempt(CRAM_MD5, user, self._nonce, digest.lower())
        if not self._user:
            self._user = data
            return Challenge(_PASSWORD) if is_name(data) else None
        return _attempt(LOGIN, self._user, data)

    def learned(self, data: bytes) -> Next:
        """Take what an attempt found out: nothing more is to be said here."""
        del data
        return None


class Scram(Exchange):
    """SCRAM-SHA-256, without channel binding.

    client-first -> Attempt(SCRAM_SALT) -> learned -> Challenge(server-first)
    client-final -> Attempt(SCRAM_SHA_256) -> learned -> Challenge(server-final)
    an empty response ends it: it is `is_over` then
    """

    __slots__ = ("_bare", "_first", "_header")

    def __init__(self, nonce: bytes) -> None:
        super().__init__(SCRAM_SHA_256, nonce)
        self._bare = self._first = self._header = b""

    def begin(self, initial: bytes | None) -> Next:
        """Take client-first, or ask for it."""
        return Challenge(b"") if initial is None else self.step(initial)

    def step(self, data: bytes) -> Next:
        """Take client-first or client-final."""
        return self._client_final(data) if self._first else self._client_first(data)

    def learned(self, data: bytes) -> Next:
        """Take `iterations,salt`, then the server's signature (base64)."""
        if self._first:
            return Challenge(b"v=" + data)
        iterations, _comma, salt = data.partition(b",")
        self._first = b"r=%b,s=%b,i=%b" % (self._nonce, salt, iterations)
        return Challenge(self._first)

    def _client_first(self, data: bytes) -> Next:
        binding, comma, rest = data.partition(b",")
        identity, comma2, bare = rest.partition(b",")
        if binding not in (b"n", b"y") or not comma or not comma2:
            return None  # `p=`: channel binding is not offered
        fields = bare.split(b",")
        if len(fields) < 2 or fields[0][:2] != b"n=" or fields[1][:2] != b"r=":
            return None  # `m=`: no extension is known (RFC 5802, 5.1)
        user = fields[0][2:].replace(b"=2C", b",").replace(b"=3D", b"=")
        if not is_name(user) or identity not in (b"", b"a=" + fields[0][2:]):
            return None
        if not 8 <= len(fields[1]) <= 256:
            return None
        self._user, self._bare = user, bare
        self._header = binding + b"," + identity + b","
        self._nonce = fields[1][2:] + self._nonce
        return Attempt(SCRAM_SALT, user)

    def _client_final(self, data: bytes) -> Next:
        signed, mark, proof_text = data.rpartition(b",p=")
        proof = decode(proof_text)
        if not mark or not proof:
            return None
        binding, comma, nonce = signed.partition(b",r=")
        said = b"c=" + binascii.b2a_base64(self._header, newline=False)
        if not comma or binding != said or nonce.partition(b",")[0] != self._nonce:
            return None
        message = b"%b,%b,%b" % (self._bare, self._first, signed)
        return Attempt(SCRAM_SHA_256, self._user, message, proof)


def exchange(mechanism: bytes, nonce: bytes) -> Exchange:
    """Start an exchange.

    Args:
        mechanism: one of MECHANISMS.
        nonce: unique bytes: for CRAM-MD5 `<...@host>`, for SCRAM printable without a comma.
    """
    return Scram(nonce) if mechanism == SCRAM_SHA_256 else Exchange(mechanism, nonce)


def is_name(user: bytes) -> bool:
    """Tell whether this can be a login name at all."""
    return 0 < len(user) <= LOGIN_NAME_BYTES_MAX and b"\0" not in user


def _plain(data: bytes) -> Next:
    parts = data.split(b"\0")
    if len(parts) != 3 or parts[0].lower() not in (b"", parts[1].lower()):
        return None
    return _attempt(PLAIN, parts[1], parts[2])


def _attempt(mechanism: bytes, user: bytes, first: bytes, second: bytes = b"") -> Next:
    return Attempt(mechanism, user, first, second) if is_name(user) else None
