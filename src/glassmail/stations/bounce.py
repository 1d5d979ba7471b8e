"""The station that gives up: whom a failed message is returned to, and in what words.

qmail-send.c injectbounce: a bounce goes to the sender with an empty sender; a bounce of a
bounce goes to doublebounceto with sender `#@[]`; a bounce of that is thrown away.
"""

from collections.abc import Sequence
from typing import NamedTuple

from glassmail.core.formats import bounce, date
from glassmail.core.formats.bounce import DOUBLE_BOUNCE_SENDER, Failure, Letter
from glassmail.core.model import code
from glassmail.core.route.verp import bounce_recipient
from glassmail.store.control import Snapshot


class Bounce(NamedTuple):
    """A bounce to queue: its envelope and the text before the copied message."""

    sender: bytes
    recipient: bytes
    head: bytes


class Bounced(NamedTuple):
    """The message that failed."""

    sender: bytes
    code: int
    part: int


def make_bounce(
    failed: Bounced, failures: Sequence[Failure], settings: Snapshot, now: int
) -> Bounce | str:
    """Make the bounce of a message, or say which kind is discarded (`double`, `triple`)."""
    if failed.sender == DOUBLE_BOUNCE_SENDER:
        return "triple"
    if failed.sender:
        recipient, sender = bounce_recipient(failed.sender), b""
    else:
        user = settings.line("doublebounceto")
        if not user or user.startswith(b"@"):  # s/qmail: such a value discards double bounces
            return "double"
        recipient = user + b"@" + settings.line("doublebouncehost")
        sender = DOUBLE_BOUNCE_SENDER
    host = settings.line("bouncehost")
    letter = Letter(
        date=date.rfc822(now),
        from_address=settings.line("bouncefrom") + b"@" + host,
        host=host,
        to=recipient,
        sender=failed.sender,
        trace=trace_text(failed.code, failed.part) if settings.flag("tracecodes") else b"",
    )
    return Bounce(sender, recipient, bounce.head(letter, failures))


def trace_text(number: int, part: int) -> bytes:
    """Write a trace code with its part, `K7Q2-M4XW-3H/1`; empty for number 0."""
    if not number:
        return b""
    text = code.render(number)
    return text + b"/%d" % part if part else text
