"""Is the client shut out for a while, by a limit or by `glass block`?"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies

QUESTION = "session.blocked"


def is_active(facts: Facts) -> bool:
    """Tell whether the client can be shut out at all."""
    return not facts.variables.is_unlimited


def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse a client that is under a block."""
    found = ask.block_of(facts.client.ip)
    if found is None:
        return PASS
    return verdict(facts, found)


def verdict(facts: Facts, found: tuple[str, str]) -> Verdict:
    """Make the refusal of a block: (network, reason)."""
    step = Step(QUESTION, facts.client.ip, YES, f"{found[0]}: {found[1]}; glass block list")
    return Verdict(replies.BLOCKED, (step,), (), "blocked")
