"""The address of MAIL and RCPT as qmail-smtpd reads it (qmail-smtpd.c addrparse).

Pure:
    The text after the verb in, the address and what follows it out.

Always:
    - With `<` the address ends at `>` outside quotes, else it is what follows the first `:` and
      blanks, up to a space. A source route is dropped; quotes and backslashes are taken away.
    - An address with a control byte is refused: qmail stores it, and then it can end a line of
      somebody else's protocol (this is the one place where we are stricter).

Refuses:
    More than 900 bytes, as qmail counts them: with the NUL it puts behind the address.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from glassmail.core.model.limits import ADDRESS_BYTES_MAX


class SmtpAddress(NamedTuple):
    """An address off the wire, and the text behind it (`SIZE=99 BODY=8BITMIME`)."""

    address: bytes
    rest: bytes


# Nearly every address: in brackets, without quotes, backslashes or controls. Linear: no repeat
# can give back to another one.
_PLAIN = re.compile(rb'[^<]*<([^@>"\\\x00-\x1f\x7f][^>"\\\x00-\x1f\x7f]*|)>', re.DOTALL)
_CONTROLS = bytes([*range(32), 127])


def parse(text: bytes) -> SmtpAddress | None:
    """Read `FROM:<address> parameters`; None for what is answered by `555 syntax error`."""
    plain = _PLAIN.match(text)
    if plain is not None:
        address, rest = plain[1], text[plain.end() :]
    else:
        address, rest = _parse_slowly(text)
        if len(address) != len(address.translate(None, _CONTROLS)):
            return None
    if len(address) + 1 > ADDRESS_BYTES_MAX:
        return None
    return SmtpAddress(address, rest)


def _parse_slowly(text: bytes) -> tuple[bytes, bytes]:
    _before, bracket, after = text.partition(b"<")
    terminator = b">"
    if not bracket:
        after = text.partition(b":")[2].lstrip(b" ")
        terminator = b" "
    if after.startswith(b"@"):  # `@relay,@other:user@domain`, and everything when no `:` comes
        after = after.partition(b":")[2]
    address = bytearray()
    is_escaped = is_quoted = False
    at = 0
    for at in range(len(after)):
        byte = after[at : at + 1]
        if is_escaped:
            address += byte
            is_escaped = False
        elif byte == terminator and not is_quoted:
            break
        elif byte == b"\\":
            is_escaped = True
        elif byte == b'"':
            is_quoted = not is_quoted
        else:
            address += byte
    return bytes(address), after[at + 1 :]


def declared_size(rest: bytes) -> int:
    """Return the SIZE parameter (RFC 1870), 0 when it is missing or not a number."""
    for word in rest.split():
        if word[:5].upper() == b"SIZE=":
            digits = word[5:]
            # RFC 1870, 3: 1 to 20 digits; int() itself would take `_`, signs and blanks.
            if 0 < len(digits) <= 20 and not digits.strip(b"0123456789"):
                return int(digits)
    return 0


def replace_literal(address: bytes, is_ours: Callable[[str], bool], localiphost: bytes) -> bytes:
    """Put localiphost for `[a.b.c.d]` when that is an address of this host.

    Args:
        address: an envelope address.
        is_ours: tells whether an IPv4 address, written with dots, is one of this host's.
        localiphost: the control file of that name; empty: nothing is replaced.
    """
    local, at, domain = address.rpartition(b"@")
    if not at or not domain.startswith(b"[") or not domain.endswith(b"]") or not localiphost:
        return address
    parts = domain[1:-1].split(b".")
    if len(parts) != 4 or not all(_is_octet(part) for part in parts):
        return address
    written = ".".join([str(int(part)) for part in parts])
    return local + b"@" + localiphost if is_ours(written) else address


def _is_octet(text: bytes) -> bool:
    return 0 < len(text) <= 3 and not text.strip(b"0123456789") and int(text) < 256


def upcoming(buffer: bytes, start: int, limit: int) -> list[bytes]:
    """Return the recipients of the RCPT commands that stand next in a buffer of commands."""
    recipients: list[bytes] = []
    while len(recipients) < limit:
        end = buffer.find(b"\r\n", start)
        if end < 0 or buffer[start : start + 5].upper() != b"RCPT ":
            break
        parsed = parse(buffer[start + 5 : end].lstrip(b" "))
        if parsed is None:
            break
        recipients.append(parsed[0])
        start = end + 2
    return recipients
