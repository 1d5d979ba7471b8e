"""Does a domain take mail? Asked of DNS for MFCHECK, MFDNSCHECK and HELOCHECK.

An MX record that names the root (RFC 7505) says that the domain takes none; without MX records
the domain's own address counts (RFC 5321, 5.1).
"""

from typing import NamedTuple

from glassmail.core.ask import Ask
from glassmail.core.formats.control import show
from glassmail.core.model.trail import NO, UNKNOWN, YES

_NULL_MX = b""


class MailHost(NamedTuple):
    """YES, NO or UNKNOWN, and what DNS said."""

    answer: str
    evidence: str


async def takes_mail(domain: bytes, ask: Ask) -> MailHost:
    """Ask for MX, then for addresses."""
    fact = await ask.dns(domain, "MX")
    if fact.answer == YES:
        names = [record.partition(b" ")[2] for record in fact.records]
        if names == [_NULL_MX]:
            return MailHost(NO, "DNS: MX 0 . (RFC 7505: the domain takes no mail)")
        return MailHost(YES, f"DNS: MX {_shown(fact.records)} ({fact.detail})")
    if fact.answer == UNKNOWN:
        return MailHost(UNKNOWN, f"DNS, MX: {fact.detail}")
    found = await has_address(domain, ask)
    if found.answer == NO:
        return MailHost(NO, f"DNS, MX: {fact.detail}; {found.evidence}")
    return found


async def has_mx(domain: bytes, ask: Ask) -> MailHost:
    """Ask for MX alone."""
    fact = await ask.dns(domain, "MX")
    shown = f"{_shown(fact.records)} ({fact.detail})" if fact.records else fact.detail
    return MailHost(fact.answer, f"DNS, MX: {shown}")


async def has_address(domain: bytes, ask: Ask) -> MailHost:
    """Ask for A, then AAAA."""
    details = []
    for kind in ("A", "AAAA"):
        fact = await ask.dns(domain, kind)
        if fact.answer != NO:
            shown = f"{_shown(fact.records)} ({fact.detail})" if fact.records else fact.detail
            return MailHost(fact.answer, f"DNS, {kind}: {shown}")
        details.append(f"{kind}: {fact.detail}")
    return MailHost(NO, "DNS, " + ", ".join(details))


def _shown(records: tuple[bytes, ...]) -> str:
    more = f" and {len(records) - 3} more" if len(records) > 3 else ""
    return show(b", ".join(records[:3])) + more
