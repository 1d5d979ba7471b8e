"""Is the envelope sender unwanted? See qmail-smtpd.c bmfcheck, and SPAMCONTROL's signs.

QUIRK: asked at MAIL, which is answered 250 all the same; each RCPT then gets the refusal,
relaying clients' too. badmailfromnorelay is the same list for clients that may not relay.

It is about the envelope, what the client says after MAIL FROM: a `From:` line of the message may
name anybody.
"""

from glassmail.core.ask import Ask
from glassmail.core.formats.patterns import Hit
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.lists import SenderList
from glassmail.core.policy.told import list_line
from glassmail.core.protocol import replies

QUESTION = "session.badmailfrom"


def is_active(facts: Facts) -> bool:
    """Tell whether there are any lines."""
    lists = facts.settings.lists
    return not (lists.badmailfrom.is_empty and lists.badmailfromnorelay.is_empty)


def _asked(facts: Facts) -> tuple[tuple[SenderList, Hit | None], ...]:
    """Look the sender up in the lists that count for this client, up to the first that has it."""
    lists, sender = facts.settings.lists, facts.sender
    found: list[tuple[SenderList, Hit | None]] = []
    if not sender:
        return ()
    chosen = [lists.badmailfrom]
    if not facts.may_relay:
        chosen.append(lists.badmailfromnorelay)
    for each in chosen:
        if not each.is_empty:
            hit = each.find(sender, facts.client.host, may_relay=facts.may_relay)
            found.append((each, hit))
            if hit is not None:
                break
    return tuple(found)


def _step(facts: Facts, asked: tuple[SenderList, Hit | None]) -> Step:
    each, hit = asked
    sender = facts.sender or b""
    if hit is None:
        return Step(QUESTION, sender, NO, each.summary)
    return Step(QUESTION, sender, YES if hit.is_unwanted else NO, hit.entry.source)


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Ask at MAIL, without a refusal."""
    asked = _asked(facts)
    return Verdict(None, tuple(_step(facts, each) for each in asked)) if asked else PASS


def check_recipient(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse at RCPT what MAIL found; the settings are still the same."""
    asked = _asked(facts)
    hit = asked[-1][1] if asked else None
    if hit is None or not hit.is_unwanted:
        return PASS
    line = list_line(facts, b"badmailfrom", facts.sender or b"", hit.entry)
    return Verdict(replies.BADMAILFROM, (_step(facts, asked[-1]),), (line,))
