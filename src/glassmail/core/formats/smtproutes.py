"""The relay of a smtproutes line: `relay`, `relay:port`, `relay;port`, `[::1]:25`.

An empty relay means: by MX records. qmail writes the port after a colon, s/qmail after a
semicolon; an IPv6 address stands in brackets. A port that is no number would be 0 in qmail and
every mail would be deferred without a reason; here the reason is told.
"""

from functools import lru_cache
from typing import NamedTuple

from glassmail.core.formats.control import show
from glassmail.core.model.redaction import safe_relay

PORT_SMTP = 25
_BLANKS = bytes([*range(33), 127])


class Relay(NamedTuple):
    """Where mail goes instead of to the MX: host name or address (without brackets), port."""

    host: bytes
    port: int


class RelayError(ValueError):
    """The relay cannot be obeyed; the text says why and what to write."""


@lru_cache(maxsize=1_024)  # a site has few relays, and every delivery asks for one
def parse_relay(value: bytes) -> Relay | None:
    """Read the part of a smtproutes line after its first colon; None for an empty relay."""
    if b"|" in value:
        raise RelayError("logging in to a relay is not supported; remove `|user|password`")
    if len(value.translate(None, _BLANKS)) != len(value):
        raise RelayError(f"{_shown(value)}: a blank follows; write `relay` or `relay:port`")
    host, port = _split(value)
    if not host:
        if port:
            raise RelayError(f"{_shown(value)}: names a port but no relay")
        return None
    return Relay(host, _port(port, value) if port else PORT_SMTP)


def _split(value: bytes) -> tuple[bytes, bytes]:
    """Part host and port text; the port text keeps its sign and is empty when there is none."""
    if value.startswith(b"["):
        host, bracket, rest = value[1:].partition(b"]")
        if not bracket or (rest and rest[:1] not in (b":", b";")):
            raise RelayError(f"{_shown(value)}: write an address as in `[::1]:25`")
        return host, rest
    for sign in (b";", b":"):
        host, found, rest = value.partition(sign)
        if found:
            if b":" in rest:
                raise RelayError(f"{_shown(value)}: write an IPv6 address as in `[::1]:25`")
            return host, found + rest
    return value, b""


def _port(text: bytes, value: bytes) -> int:
    digits = text[1:]
    if 0 < len(digits) <= 5 and not digits.strip(b"0123456789") and 0 < int(digits) < 65_536:
        return int(digits)
    raise RelayError(f"{_shown(value)}: the port must be a number from 1 to 65535")


def _shown(value: bytes) -> str:
    return safe_relay(show(value))  # name and password may stand in it
