"""Is the name that the client gives itself unwanted? control/badhelo, at each RCPT.

A line `name!` lets that name through all tests of names (SPAMCONTROL). NOBADHELO in the client's
rule skips the list; in the words of s/qmail clients that may relay are not asked.
"""

from glassmail.core.ask import Ask
from glassmail.core.formats.control import Entry
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.told import list_line
from glassmail.core.protocol import replies
from glassmail.core.protocol.wording import SQMAIL

QUESTION = "session.badhelo"


def is_active(facts: Facts) -> bool:
    """Tell whether there is a list for this client."""
    settings = facts.settings
    if settings.lists.badhelo.is_empty or facts.variables.is_skipping_badhelo:
        return False
    return not (settings.profile == SQMAIL and facts.may_relay)


def welcome(facts: Facts) -> Entry | None:
    """Return the line `name!` for the client's name."""
    helo = (facts.helo or b"").lower()
    return facts.settings.lists.badhelo.table.find(helo + b"!")


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a recipient of a client with an unwanted name."""
    if not facts.helo:
        return PASS
    badhelo = facts.settings.lists.badhelo
    if (entry := welcome(facts)) is not None:
        return Verdict(None, (Step(QUESTION, facts.helo, NO, entry.source),))
    hit = badhelo.find(facts.helo.lower())
    if hit is None:
        return Verdict(None, (Step(QUESTION, facts.helo, NO, badhelo.table.summary),))
    if not hit.is_unwanted:
        return Verdict(None, (Step(QUESTION, facts.helo, NO, hit.entry.source),))
    step = Step(QUESTION, facts.helo, YES, hit.entry.source)
    log = list_line(facts, b"badhelo", facts.helo, hit.entry)
    return Verdict(replies.BADHELO, (step,), (log,))
