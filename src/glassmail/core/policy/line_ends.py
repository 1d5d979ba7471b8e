"""Do all lines of the message end with CR LF? See qmail-smtpd.c straynewline."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies


async def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a message with a lone CR or LF, naming its place; the connection ends."""
    message = facts.message
    if message is None or message.bare is None:
        return PASS
    bare = message.bare
    source = f"bare {bare.name} at byte offset {bare.offset}, line {bare.line} of the message"
    return Verdict(replies.LINE_ENDS, (Step("session.line-ends", b"", NO, source),))
