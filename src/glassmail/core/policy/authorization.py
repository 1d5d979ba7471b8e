"""May this client submit mail? A submission listener is for our own users (RFC 6409, 4.3).

REQUIRE_AUTH of the client's rule demands a login on any listener.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import SUBMISSION, Facts
from glassmail.core.protocol import replies

QUESTION = "session.authorization"


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse MAIL from a client that has no relaying rights or login where these are needed."""
    if facts.variables.login.requires_auth and not facts.login:
        step = Step(QUESTION, facts.client.ip, NO, f"{facts.rule.source}: a login is demanded")
        return Verdict(replies.AUTH_FIRST, (step,))
    if facts.service != SUBMISSION:
        return PASS
    answer = YES if facts.may_relay else NO
    step = Step(QUESTION, facts.client.ip, answer, facts.rule.source)
    return Verdict(None if facts.may_relay else replies.AUTHORIZATION, (step,))
