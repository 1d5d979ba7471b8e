"""Does the client declare a message that is too long? See RFC 1870, 6.1."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse MAIL with SIZE over databytes; nothing to ask without SIZE or limit."""
    declared, limit = facts.declared_size, facts.size_max
    if not declared or not limit:
        return PASS
    is_within = declared <= limit
    source = f"{facts.size_source} {limit}"
    step = Step("session.declared-size", b"%d" % declared, YES if is_within else NO, source)
    return Verdict(None if is_within else replies.DATABYTES, (step,))
