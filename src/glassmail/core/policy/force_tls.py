"""Has the client begun TLS where its rule demands it? FORCE_TLS, or UCSPITLS `!`."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies

QUESTION = "session.force_tls"


def is_active(facts: Facts) -> bool:
    """Tell whether TLS is demanded."""
    return facts.variables.login.forces_tls


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse MAIL in the clear."""
    is_secure = facts.tls is not None
    step = Step(QUESTION, facts.client.ip, YES if is_secure else NO, facts.rule.source)
    return Verdict(None if is_secure else replies.TLS_FIRST, (step,))
