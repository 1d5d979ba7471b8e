"""Is the recipient one that shall get no mail? control/badrcptto, for every client.

badrcpttonorelay is the same for clients that may not relay. Unlike the combined patch, one hit
there does not refuse the recipients after it.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.told import list_line
from glassmail.core.protocol import replies

QUESTION = "session.badrcptto"


def is_active(facts: Facts) -> bool:
    """Tell whether there are any lines for this client."""
    lists = facts.settings.lists
    return not lists.badrcptto.is_empty or not (
        lists.badrcpttonorelay.is_empty or facts.may_relay
    )


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a listed recipient."""
    lists, recipient = facts.settings.lists, facts.recipient
    chosen = [lists.badrcptto] if facts.may_relay else [lists.badrcptto, lists.badrcpttonorelay]
    steps: list[Step] = []
    for each in chosen:
        if each.is_empty:
            continue
        hit = each.find(recipient.lower())
        if hit is not None and hit.is_unwanted:
            step = Step(QUESTION, recipient, YES, hit.entry.source)
            log = list_line(facts, b"badrcptto", recipient, hit.entry)
            return Verdict(replies.BADRCPTTO, (*steps, step), (log,))
        source = each.table.summary if hit is None else hit.entry.source
        steps.append(Step(QUESTION, recipient, NO, source))
    return Verdict(None, tuple(steps))
