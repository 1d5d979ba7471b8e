"""Is the name that the client gives itself a good one? HELOCHECK of s/qmail, at each RCPT.

Values: empty: only control/badhelo; `!`: a name must be given; `.`: both; `=`: it must be the
client's name in DNS; `A`, `M`: it must have an address or an MX record. Clients that may relay,
and names with a line `name!` in badhelo, are not asked.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy import badhelo
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.sender_domain import has_address, has_mx
from glassmail.core.protocol import replies

QUESTION = "session.helocheck"


def is_active(facts: Facts) -> bool:
    """Tell whether HELOCHECK asks more than badhelo."""
    return bool(facts.variables.helo_check) and not facts.may_relay


async def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse a recipient of a client with a bad name."""
    kind = (facts.variables.helo_check or b"")[:1]
    helo = facts.helo or b""
    if not helo:
        step = Step(QUESTION, b"", NO, f"HELOCHECK: no name was given; {facts.rule.source}")
        return Verdict(replies.BADHELO, (step,))
    if badhelo.welcome(facts) is not None:
        return PASS
    if kind == b"=":
        host = facts.client.host or b"unknown"
        is_good = helo.lower() == host.lower()
        source = f"HELOCHECK: its name in DNS is {host.decode('ascii', 'replace')}"
        step = Step(QUESTION, helo, YES if is_good else NO, source)
        return Verdict(None if is_good else replies.BADHELO, (step,))
    if kind not in (b"A", b"M"):
        return Verdict(None, (Step(QUESTION, helo, YES, "HELOCHECK: a name was given"),))
    found = await (has_address(helo, ask) if kind == b"A" else has_mx(helo, ask))
    step = Step(QUESTION, helo, found.answer, found.evidence)
    if found.answer == UNKNOWN:
        return Verdict(replies.DNS_SOFT, (step,))
    return Verdict(replies.BADHELO if found.answer == NO else None, (step,))
