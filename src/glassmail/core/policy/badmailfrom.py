"""Is the envelope sender unwanted? See qmail-smtpd.c bmfcheck.

QUIRK: asked at MAIL, which is answered 250 all the same; each RCPT then gets the refusal,
relaying clients' too.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies

QUESTION = "session.badmailfrom"


def _is_bad(facts: Facts) -> Step | None:
    """Look the sender up; None when there is nothing to ask."""
    sender = facts.sender
    table = facts.settings.badmailfrom
    if not sender or not table.entries:
        return None
    folded = sender.lower()
    at = folded.rfind(b"@")
    entry = table.find(folded) or (table.find(folded[at:]) if at >= 0 else None)
    if entry is None:
        return Step(QUESTION, sender, NO, table.summary)
    return Step(QUESTION, sender, YES, entry.source)


async def check(facts: Facts, _ask: Ask) -> Verdict:
    """Ask at MAIL, without a refusal."""
    step = _is_bad(facts)
    return Verdict(None, (step,)) if step is not None else PASS


async def check_recipient(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse at RCPT what MAIL found; the settings are still the same."""
    step = _is_bad(facts)
    if step is None or step.answer == NO:
        return PASS
    return Verdict(replies.BADMAILFROM, (step,))
