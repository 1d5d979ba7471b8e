"""Is the client collecting recipients? TARPITCOUNT and TARPITDELAY of s/qmail.

After TARPITCOUNT recipients each further one waits TARPITDELAY seconds. A delay of 0 means:
after so many refused recipients all further ones are refused; 999 means that DATA is refused too,
and the connection ends. Clients that may relay are left alone.
"""

from collections.abc import Awaitable

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.variables import NOTORIOUS, TARPIT_S_MAX
from glassmail.core.protocol import replies

QUESTION = "session.tarpit"


def is_active(facts: Facts) -> bool:
    """Tell whether TARPITCOUNT is set."""
    return facts.variables.tarpit_count > 0 and not facts.may_relay


def check(facts: Facts, ask: Ask) -> Verdict | Awaitable[Verdict]:
    """Let the client wait, or refuse the recipient."""
    count, delay = facts.variables.tarpit_count, facts.variables.tarpit_delay
    if delay in (0, NOTORIOUS):
        if facts.recipients_refused < count:
            return PASS
        step = _step(facts, facts.recipients_refused, "recipients were refused", NO)
        return Verdict(replies.RECIPIENTS, (step,))
    if facts.recipients_asked <= count:
        return PASS
    return _wait(facts, ask, min(delay, TARPIT_S_MAX))


async def _wait(facts: Facts, ask: Ask, seconds: int) -> Verdict:
    await ask.pause(seconds)
    step = _step(facts, facts.recipients_asked, f"recipients; waited {seconds} s", YES)
    return Verdict(None, (step,))


def check_data(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse DATA of a client that asked for too many wrong recipients (TARPITDELAY 999)."""
    variables = facts.variables
    if variables.tarpit_delay != NOTORIOUS or facts.recipients_refused < variables.tarpit_count:
        return PASS
    step = _step(facts, facts.recipients_refused, "recipients were refused", NO)
    return Verdict(replies.NOTORIOUS, (step,))


def _step(facts: Facts, number: int, what: str, answer: str) -> Step:
    source = f"{number} {what}; TARPITCOUNT {facts.variables.tarpit_count}"
    return Step(QUESTION, facts.client.ip, answer, source)
