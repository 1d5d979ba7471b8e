"""control/recipients of s/qmail: which recipients exist, domain by domain.

Lines, walked from top to bottom:

    example.com:users/recipients.cdb   a cdb for the domain and the domains below it
    @example.com:ctrl.cdb              a cdb for exactly this domain
    example.com|program argument       a program for the domain
    *:file.cdb                         a cdb for every domain
    *|program                          a program for every domain
    !example.com                       everybody there is accepted
    !*                                 everybody in domains that no line before names
    file.cdb                           the same as `*:file.cdb` (older form)
"""

from enum import Enum
from typing import NamedTuple

from glassmail.core.formats.control import Table

ARGUMENTS_MAX = 5  # of a program


class Kind(Enum):
    """What a line does."""

    CDB = "cdb"
    PROGRAM = "program"
    ACCEPT = "accept"


class RecipientLine(NamedTuple):
    """One line.

    Attributes:
        kind: what it does.
        domain: folded; empty for every domain.
        is_exact: whether domains below it are not meant.
        what: path of the cdb, or program and arguments.
        source: where it stands.
    """

    kind: Kind
    domain: bytes
    is_exact: bool
    what: tuple[bytes, ...]
    source: str

    def is_for(self, domain: bytes) -> bool:
        """Tell whether the line is about a folded domain."""
        if not self.domain or domain == self.domain:
            return True
        return not self.is_exact and domain.endswith(b"." + self.domain)


def parse(table: Table) -> tuple[RecipientLine, ...] | None:
    """Read the file; None when it does not exist."""
    if not table.is_present:
        return None
    return tuple(_line(entry.key, entry.source) for entry in table.entries.values())


def _line(line: bytes, source: str) -> RecipientLine:
    if line.startswith(b"!"):
        domain = line[1:].lower()
        return RecipientLine(Kind.ACCEPT, b"" if domain == b"*" else domain, False, (), source)
    colon, bar = line.find(b":"), line.find(b"|")
    if bar >= 0 and (colon < 0 or bar < colon):
        program = tuple(line[bar + 1 :].split()[: ARGUMENTS_MAX + 1])
        domain, is_exact = _domain(line[:bar])
        return RecipientLine(Kind.PROGRAM, domain, is_exact, program, source)
    if colon < 0:
        return RecipientLine(Kind.CDB, b"", False, (line,), source)
    domain, is_exact = _domain(line[:colon])
    return RecipientLine(Kind.CDB, domain, is_exact, (line[colon + 1 :],), source)


def _domain(text: bytes) -> tuple[bytes, bool]:
    folded = text.strip().lower()
    if folded == b"*":
        return b"", False
    return (folded[1:], True) if folded.startswith(b"@") else (folded, False)


def keys(address: bytes) -> tuple[bytes, ...]:
    """List the keys of a cdb to look for: the address, and for VERP `base-@domain`."""
    folded = address.lower()
    local, _at, domain = folded.rpartition(b"@")
    found = [b":" + folded]
    if b"=" in local and (dash := local.rfind(b"-", 0, local.find(b"="))) > 0:
        found.append(b":" + local[: dash + 1] + b"@" + domain)
    return tuple(found)
