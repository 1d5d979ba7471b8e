"""May this client try a password now? Asked before any password is looked at."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies


def is_active(facts: Facts) -> bool:
    """Tell whether limits count for this client."""
    return not facts.variables.is_unlimited


async def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse AUTH from addresses and networks that tried too many wrong passwords."""
    permitted = await ask.may_log_in(facts.client.ip, facts.attempted)
    return Verdict(replies.TOO_MANY_LOGINS if permitted.answer == NO else None, permitted.steps)
