"""May this client send to this domain? See qmail-smtpd.c addrallowed.

RELAYCLIENT of the client's rule, even when empty, opens every domain, and its value is put
behind the recipient; everybody else is bound by rcpthosts.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import RELAYCLIENT, Facts
from glassmail.core.protocol import replies
from glassmail.core.route.rcpthosts import is_allowed


def final_recipient(facts: Facts, recipient: bytes) -> bytes:
    """Return the recipient as it is queued: with RELAYCLIENT's value behind it."""
    return recipient + facts.environment.get(RELAYCLIENT, b"")


async def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a recipient whose domain is not ours, from a client without relaying rights."""
    if facts.may_relay:
        step = Step("session.relayclient", facts.client.ip, YES, facts.rule.source)
        return Verdict(None, (step,))
    settings = facts.settings
    allowed, step = is_allowed(facts.recipient, settings.rcpthosts, settings.more_rcpthosts)
    if allowed:
        return Verdict(None, (step,))
    relay = Step("session.relayclient", facts.client.ip, NO, facts.rule.source)
    return Verdict(replies.RCPTHOSTS, (relay, step))
