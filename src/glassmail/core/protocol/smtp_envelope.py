"""MAIL and RCPT as a client writes them: addresses quoted where they must be (quote.c).

Always:
    A command holds no control byte but its own CR LF: what cannot be sent is found by
    `is_sendable` before (qmail would put a backslash before a line end and send it).
"""

import re

_ATEXT = rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_DOT_ATOM = re.compile(_ATEXT + rb"(?:\." + _ATEXT + rb")*")
_DOT_ATOM_UTF8 = re.compile(
    (_ATEXT + rb"(?:\." + _ATEXT + rb")*").replace(b"A-Za-z0-9", b"A-Za-z0-9\\x80-\\xff")
)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_NOT_IN_DOMAIN = re.compile(rb"[\x00-\x20\x7f<>()\"\\,;]")


def is_sendable(address: bytes) -> bool:
    """Tell whether an address can stand in a command."""
    domain = address.rpartition(b"@")[2]
    return _CONTROL.search(address) is None and _NOT_IN_DOMAIN.search(domain) is None


def quoted(address: bytes, *, utf8: bool = False) -> bytes:
    """Write an address for the wire; with SMTPUTF8 (RFC 6531) 8-bit bytes need no quotes."""
    local, at, domain = address.rpartition(b"@")
    if not at:
        return address
    plain = _DOT_ATOM_UTF8 if utf8 else _DOT_ATOM
    if plain.fullmatch(local):
        return address
    escaped = local.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + escaped + b'"@' + domain


def mail(sender: bytes, parameters: bytes = b"", *, utf8: bool = False) -> bytes:
    """Write MAIL; parameters begin with their blank, as in ` SIZE=99`."""
    return b"MAIL FROM:<" + quoted(sender, utf8=utf8) + b">" + parameters + b"\r\n"


def rcpt(recipient: bytes, *, utf8: bool = False) -> bytes:
    """Write RCPT."""
    return b"RCPT TO:<" + quoted(recipient, utf8=utf8) + b">\r\n"
