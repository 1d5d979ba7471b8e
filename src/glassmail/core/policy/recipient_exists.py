"""Is there somebody here for this recipient? Only asked with control/checkrecipients.

Refusing at RCPT keeps us from bouncing to forged senders. A recipient that is routed to another
server, by whoever may relay there, is not ours to know; when nobody can tell, it is accepted
and the delivery finds out.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.channel import Channel
from glassmail.core.model.trail import NO, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies
from glassmail.core.route.remembered import routes

QUESTION = "session.recipient"


def is_asked(facts: Facts, recipient: bytes) -> bool:
    """Tell whether `check` would ask somebody about this recipient."""
    settings = facts.settings
    if not settings.is_checking_recipients:
        return False
    return routes.find(recipient, settings.routing).channel is Channel.LOCAL


def is_active(facts: Facts) -> bool:
    """Tell whether recipients are looked up at all."""
    return facts.settings.is_checking_recipients


async def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse a recipient of our own domains that nobody answers for."""
    if not facts.settings.is_checking_recipients:
        return PASS
    destination = routes.find(facts.recipient, facts.settings.routing)
    if destination.channel is not Channel.LOCAL:
        return PASS
    existence = await ask.account_exists(facts.recipient)
    step = Step(QUESTION, facts.recipient, existence.answer, "control/checkrecipients 1")
    told = existence.steps
    # Who answers has routed the recipient too; the same questions are not told twice.
    routed = () if told and told[0].question.startswith("routing.") else destination.steps
    steps = (*routed, *told, step)
    return Verdict(replies.NO_MAILBOX if existence.answer == NO else None, steps)
