"""Does a rule for clients deny this one? See tcpserver -x."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a client whose rule says deny; the reply is empty: it is hung up on."""
    rule = facts.rule
    answer = YES if rule.allow else NO
    steps = (Step("session.client-rule", facts.client.ip, answer, rule.source),)
    return Verdict(None if rule.allow else replies.DENIED, steps)
