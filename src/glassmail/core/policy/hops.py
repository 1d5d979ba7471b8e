"""Has the message passed too many servers? See qmail-smtpd.c MAXHOPS."""

from glassmail.core.ask import Ask
from glassmail.core.model.limits import HOPS_MAX
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies

_SOURCE = f"its header; {HOPS_MAX} are a loop"


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a message that loops."""
    message = facts.message
    if message is None:
        return PASS
    is_few = message.hops < HOPS_MAX
    step = Step("session.hops", b"%d" % message.hops, YES if is_few else NO, _SOURCE)
    return Verdict(None if is_few else replies.HOPS, (step,))
