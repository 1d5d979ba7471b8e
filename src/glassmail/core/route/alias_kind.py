"""What an alias is, by its lines: the four things that a domain's limits count and rights name.

qmailadmin's ways: an answer or a list is one whatever other lines stand beside it; an alias goes
to addresses of its own domain, a forward elsewhere (reference A16.1).
"""

from collections.abc import Iterable
from enum import Enum

from glassmail.core.formats.domain_limits import Limits

_ANSWERING = (b"autorespond", b"vacation")
_LIST_PREFIXES = (b"ezmlm-", b"mlmmj-")


class AliasKind(Enum):
    """What the value says is the word for several of them."""

    ALIAS = "aliases"
    FORWARD = "forwards"
    AUTORESPONDER = "autoresponders"
    MAILING_LIST = "mailing lists"

    def most(self, limits: Limits) -> int:
        """How many of them a domain may have, -1 for any number."""
        return int(getattr(limits, self.rule))

    def denied(self, limits: Limits) -> int:
        """The DENY_* bits for domain administrators who are not the postmaster."""
        return int(getattr(limits, _RIGHTS[self]))

    @property
    def rule(self) -> str:
        """The name of their number in the domain's limits."""
        return _NUMBERS[self]


_NUMBERS = {
    AliasKind.ALIAS: "maxaliases",
    AliasKind.FORWARD: "maxforwards",
    AliasKind.AUTORESPONDER: "maxautoresponders",
    AliasKind.MAILING_LIST: "maxmailinglists",
}
_RIGHTS = {
    AliasKind.ALIAS: "perm_alias",
    AliasKind.FORWARD: "perm_forward",
    AliasKind.AUTORESPONDER: "perm_autoresponder",
    AliasKind.MAILING_LIST: "perm_maillist",
}


def kind_of(lines: Iterable[bytes], domain: bytes) -> AliasKind:
    """Tell what an alias at a domain is.

    Args:
        lines: those of its dot-qmail file.
        domain: the real domain, in lower case.
    """
    own = b"@" + domain
    kind = AliasKind.ALIAS
    for line in lines:
        if line.startswith(b"|"):
            program = _program(line[1:])
            if program.startswith(_LIST_PREFIXES):
                return AliasKind.MAILING_LIST
            if program in _ANSWERING:
                kind = AliasKind.AUTORESPONDER
        elif kind is AliasKind.ALIAS and _leaves(line, own):
            kind = AliasKind.FORWARD
    return kind


def _program(command: bytes) -> bytes:
    first = command.split(maxsplit=1)[:1]
    return first[0].rpartition(b"/")[2] if first else b""


def _leaves(line: bytes, own: bytes) -> bool:
    is_address = b"@" in line and line[:1] not in (b"/", b".", b"#")
    return is_address and not line.rstrip().lower().endswith(own)
