"""Shall the client wait for the greeting? GREETDELAY and DROP_PRE_GREET of the combined patch.

The session itself waits; here the answer is told. A client that speaks before it was greeted is
refused with DROP_PRE_GREET; without it what it said is kept and answered after the greeting.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import Facts

QUESTION = "session.greetdelay"


def is_active(facts: Facts) -> bool:
    """Tell whether there is a delay."""
    return facts.variables.greet_delay_s > 0


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Tell the delay."""
    then = "who speaks first is refused" if facts.variables.is_dropping_early else "no refusal"
    source = f"{facts.variables.greet_delay_s} s, {then}; {facts.rule.source}"
    return Verdict(None, (Step(QUESTION, facts.client.ip, YES, source),))
