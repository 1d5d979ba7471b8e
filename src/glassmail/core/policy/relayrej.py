"""Does a recipient's local part ask us to pass the mail on? RELAYREJ of the combined patch.

`a%b@here`, `a!b@here` and `a@b@here` are refused, since some servers behind would relay them.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies

QUESTION = "session.relayrej"


def is_active(facts: Facts) -> bool:
    """Tell whether RELAYREJ is on."""
    return facts.variables.is_rejecting_relayed


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a recipient with another address in its local part."""
    local = facts.recipient.rpartition(b"@")[0]
    if not any(mark in local for mark in (b"@", b"%", b"!")):
        return PASS
    step = Step(QUESTION, facts.recipient, YES, f"RELAYREJ; {facts.rule.source}")
    return Verdict(replies.NO_RELAY_FORMS, (step,))
