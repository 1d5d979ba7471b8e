"""Is the message too long? See qmail-smtpd.c, databytes."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.told import line
from glassmail.core.protocol import replies


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a message whose stored form passes the limit; without a limit nothing is asked."""
    message, limit = facts.message, facts.size_max
    if message is None or not limit:
        return PASS
    is_within = message.size <= limit
    source = f"{facts.size_source} {limit}"
    step = Step("session.databytes", b"%d" % message.size, YES if is_within else NO, source)
    if is_within:
        return Verdict(None, (step,))
    log = line(b"DATABYTES exceeded [%b]" % facts.client.ip)
    return Verdict(replies.DATABYTES, (step,), (log,))
