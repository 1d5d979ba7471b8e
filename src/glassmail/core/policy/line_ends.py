"""Do all lines of the message end with CR LF? See qmail-smtpd.c straynewline."""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.told import line
from glassmail.core.protocol import replies
from glassmail.core.protocol.data_reader import BareLineEnd

MENDED = "no, mended"


def _place(bare: BareLineEnd) -> str:
    return f"bare {bare.name} at byte offset {bare.offset}, line {bare.line} of the message"


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a message with a lone CR or LF, naming its place; the connection ends."""
    message = facts.message
    if message is None or (message.bare is None and message.mended is None):
        return PASS
    if message.mended is not None:
        source = _place(message.mended) + f", FIXCRIO; {facts.rule.source}"
        log = line(b"FIXCRIO mended [%b] %b" % (facts.client.ip, source.encode("utf-8")))
        return Verdict(None, (Step("session.line-ends", b"", MENDED, source),), (log,))
    assert message.bare is not None
    source = _place(message.bare)
    log = line(b"line ends [%b] %b, refused" % (facts.client.ip, source.encode("utf-8")))
    return Verdict(replies.LINE_ENDS, (Step("session.line-ends", b"", NO, source),), (log,))
