"""May this client send to this domain? See qmail-smtpd.c addrallowed.

RELAYCLIENT of the client's rule, even when empty, opens every domain, and its value is put
behind the recipient; everybody else is bound by rcpthosts.
"""

from collections.abc import Awaitable

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import RELAYCLIENT, Facts
from glassmail.core.protocol import replies
from glassmail.core.route.rcpthosts import is_allowed

QUESTION = "session.relayclient"
BLANK = 'RELAYCLIENT is a blank, taken as empty: write RELAYCLIENT=""'


def final_recipient(facts: Facts, recipient: bytes) -> bytes:
    """Return the recipient as it is queued: with RELAYCLIENT's value behind it.

    Many how-tos write RELAYCLIENT=" " and mean an empty value: blanks alone are not put behind.
    """
    value = facts.environment.get(RELAYCLIENT, b"")
    return recipient + value if value.strip() else recipient


def check(facts: Facts, ask: Ask) -> Verdict | Awaitable[Verdict]:
    """Refuse a recipient whose domain is not ours, from a client without relaying rights."""
    if facts.may_relay:
        return Verdict(None, (Step(QUESTION, facts.client.ip, YES, _source(facts)),))
    settings = facts.settings
    allowed, step = is_allowed(facts.recipient, settings.rcpthosts, settings.more_rcpthosts)
    if allowed:
        return Verdict(None, (step,))
    return _refuse(facts, ask, step)


async def _refuse(facts: Facts, ask: Ask, step: Step) -> Verdict:
    """Refuse, and tell of an MX record that leads here by mistake."""
    relay = Step(QUESTION, facts.client.ip, NO, facts.rule.source)
    domain = facts.recipient[facts.recipient.rfind(b"@") + 1 :]
    here = await ask.leads_here(domain)
    mistaken = here.steps if here is not None else ()
    return Verdict(replies.RCPTHOSTS, (relay, *mistaken, step))


def _source(facts: Facts) -> str:
    value = facts.environment[RELAYCLIENT]
    return f"{facts.rule.source} ({BLANK})" if is_blank(value) else facts.rule.source


def is_blank(value: bytes) -> bool:
    """Tell whether a value of RELAYCLIENT is blanks that its writer meant to be empty."""
    return bool(value) and not value.strip()
