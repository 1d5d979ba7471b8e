"""Does an account send more than it may? Its mail is then taken, but held.

A stolen password sends hundreds of messages in minutes. Nothing is refused, so that nothing is
lost if all is well; nothing goes out either, until somebody has looked.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, Step
from glassmail.core.model.verdict import Effect, Verdict
from glassmail.core.policy.facts import Facts

QUESTION = "session.account-rate"
HOLD = "hold"


def is_active(facts: Facts) -> bool:
    """Tell whether this client is of an account, and accounts have a limit."""
    return bool(facts.login) and facts.settings.account_recipients_max > 0


async def check(facts: Facts, ask: Ask) -> Verdict:
    """Count the message's recipients for the account that sends it."""
    account = facts.login
    taken = facts.recipients_asked - facts.recipients_refused
    held = await ask.account_sends(account, taken, facts.client.ip)
    source = f"{held.sent} recipients within the hour; {held.detail}"
    step = Step(QUESTION, account, held.answer, source)
    effects = (Effect(HOLD, account, 1),) if held.answer == NO else ()
    return Verdict(None, (step,), effects)
