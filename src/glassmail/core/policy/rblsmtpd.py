"""Does the client's rule refuse its mail with a text? RBLSMTPD, as rblsmtpd obeys it.

A text means that each recipient is told 451 and the text, behind a `-` 553; empty means that no
list refuses the client (rblsmtpd.c).
"""

from glassmail.core.ask import Ask
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import Facts

QUESTION = "session.rblsmtpd"
VARIABLE = b"RBLSMTPD"
TEXT_BYTES_MAX = 500  # rblsmtpd.c


def is_active(facts: Facts) -> bool:
    """Tell whether RBLSMTPD has a text."""
    return bool(facts.environment.get(VARIABLE))


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse the recipient with the rule's text."""
    text = facts.environment[VARIABLE]
    is_hard = text.startswith(b"-")
    reply = Reply(553 if is_hard else 451, text.removeprefix(b"-")[:TEXT_BYTES_MAX] or b"refused")
    source = f"RBLSMTPD; {facts.rule.source}"
    return Verdict(reply, (Step(QUESTION, facts.client.ip, YES, source),))
