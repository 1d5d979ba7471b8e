"""Is this host too busy for the client? MAXLOAD of tcpserver's limits patch."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import Effect, Verdict
from glassmail.core.policy.connections import COUNTED, last_words
from glassmail.core.policy.facts import Facts

QUESTION = "session.load"


def is_active(facts: Facts) -> bool:
    """Tell whether MAXLOAD is set."""
    return facts.variables.load_max >= 0


def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse the client while the load average of the last minute, times 100, is higher."""
    most, load = facts.variables.load_max, int(ask.load() * 100)
    answer = YES if load <= most else NO
    source = f"load {load}, MAXLOAD {most}; {facts.rule.source}"
    step = Step(QUESTION, facts.client.ip, answer, source)
    if answer == YES:
        return Verdict(None, (step,))
    effect = Effect(COUNTED, b"LOAD: %d" % most, 0)
    return Verdict(last_words(facts, b"MAXLOAD"), (step,), (effect,))
