"""May this client submit mail? A submission listener is for our own users (RFC 6409, 4.3)."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import SUBMISSION, Facts
from glassmail.core.protocol import replies

QUESTION = "session.authorization"


async def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse MAIL on a submission listener from a client without relaying rights."""
    if facts.service != SUBMISSION:
        return PASS
    answer = YES if facts.may_relay else NO
    step = Step(QUESTION, facts.client.ip, answer, facts.rule.source)
    return Verdict(None if facts.may_relay else replies.AUTHORIZATION, (step,))
