"""Complete addresses as qmail-inject does (qmail-header.5, qmail-inject.c rwgeneric).

Always, in this order: a source route, one trailing dot and one trailing `@` go; no host gets
`@defaulthost`; a host ending in `+` gets plusdomain for it; a host without dot gets
`.defaultdomain`. `<>` and `<anything@[]>` stay.
"""

from glassmail.core.formats.header_tokens import (
    AT,
    ATOM,
    COLON,
    DOT,
    LITERAL,
    Token,
    tokenise,
)

_EMPTY_LITERAL: Token = (LITERAL, b"")


class HeaderError(ValueError):
    """The message cannot be sent; `text` is what qmail-inject says after `fatal: `."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text.decode("utf-8", "backslashreplace"))
        self.text = text


def parse_or_refuse(line: bytes) -> list[Token]:
    """Tokenise; raises HeaderError in qmail-inject's words."""
    tokens = tokenise(line)
    if tokens is None:
        raise unparsable(line)
    return tokens


def unparsable(line: bytes) -> HeaderError:
    """Make the error for a line that cannot be parsed."""
    return HeaderError(b"unable to parse this line:\n" + line)


class Rewriter:
    """What addresses are completed with; raises HeaderError when that cannot be parsed."""

    def __init__(self, default_domain: bytes, default_host: bytes, plus_domain: bytes) -> None:
        self._domain = parse_or_refuse(b"." + default_domain)
        self._host = parse_or_refuse(b"@" + default_host)
        self._plus = parse_or_refuse(b"." + plus_domain)

    def rewrite(self, address: list[Token]) -> None:
        """Complete one address in place."""
        if not address or (address[-1] == _EMPTY_LITERAL and address[-2:-1] == [(AT, b"@")]):
            return
        _drop_route(address)
        for kind in (DOT, AT):
            if address and address[-1][0] == kind:
                address.pop()
        if not address:
            return
        if all(kind != AT for kind, _text in address):
            address += self._host
        kind, text = address[-1]
        if kind == ATOM and text.endswith(b"+"):
            address[-1] = (ATOM, text[:-1])
            address += self._plus
        if not _has_dot(address):
            address += self._domain


def _drop_route(address: list[Token]) -> None:
    """Cut `@a,@b:` off; without a colon nothing is left."""
    if address[0][0] != AT:
        return
    at = 0
    while at < len(address) and address[at][0] != COLON:
        at += 1
    del address[: at + 1]


def _has_dot(address: list[Token]) -> bool:
    """Tell whether the host has a dot or is a literal."""
    for kind, _text in reversed(address):
        if kind == AT:
            return False
        if kind in {DOT, LITERAL}:
            return True
    return False
