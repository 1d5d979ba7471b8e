"""Bounces in qmail's words (qmail-send.c injectbounce; QSBMF).

The text before the original message; the original follows it as it was stored.
"""

from collections.abc import Iterable
from typing import NamedTuple

from glassmail.core.formats.quote import quote_address

DOUBLE_BOUNCE_SENDER = b"#@[]"
NOTICE_BYTES_MAX = 3_145_728  # of the paragraphs of one bounce: head and body share a frame
NOT_REPEATED = b"(not repeated)\n"
GIVEN_UP = b"I'm not going to try again; this message has been in the queue too long.\n"


class Failure(NamedTuple):
    """One failed recipient: its address without the virtual prepend, and the report."""

    address: bytes
    text: bytes


def paragraph(failure: Failure) -> bytes:
    """Write the paragraph of one recipient (qmail-send.c addbounce).

    A newline in the address becomes `_`; where the report holds an empty line, its newline
    becomes `/`, since an empty line ends the paragraph.
    """
    text = failure.text
    if text and not text.endswith(b"\n"):
        text += b"\n"
    while b"\n\n" in text:
        text = text.replace(b"\n\n", b"\n/")
    return b"<" + failure.address.replace(b"\n", b"_") + b">:\n" + text + b"\n"


class Letter(NamedTuple):
    """What a bounce is made from.

    Attributes:
        date: date822 text.
        from_address: bouncefrom@bouncehost.
        host: bouncehost, for the introduction.
        to: whom it goes to.
        sender: envelope sender of the bounced message; empty: that was a bounce itself.
        trace: trace code of the bounced message, empty for none.
    """

    date: bytes
    from_address: bytes
    host: bytes
    to: bytes
    sender: bytes
    trace: bytes


def head(letter: Letter, failures: Iterable[Failure]) -> bytes:
    """Write everything before the copied message, its Return-Path line included."""
    is_double = not letter.sender
    lines = [
        b"Date: " + letter.date,
        b"\nFrom: " + quote_address(letter.from_address),
        b"\nTo: " + quote_address(letter.to),
        b"\nSubject: failure notice\n\nHi. This is the qmail-send program at "
        + letter.host
        + b".\n",
        b"I tried to deliver a bounce message to this address, but the bounce bounced!\n\n"
        if is_double
        else b"I'm afraid I wasn't able to deliver your message to the following addresses.\n"
        b"This is a permanent error; I've given up. Sorry it didn't work out.\n\n",
    ]
    left = NOTICE_BYTES_MAX
    count_left_out = 0
    for failure in failures:
        text = paragraph(failure)
        left -= len(text)
        if left >= 0:
            lines.append(text)
        else:
            count_left_out += 1
    if count_left_out:
        lines.append(b"%d more addresses failed.\n\n" % count_left_out)
    if letter.trace:
        lines.append(b"Ask your postmaster about trace code " + letter.trace + b".\n\n")
    lines.append(
        b"--- Below this line is the original bounce.\n\n"
        if is_double
        else b"--- Below this line is a copy of the message.\n\n"
    )
    lines.append(b"Return-Path: <" + quote_address(letter.sender) + b">\n")
    return b"".join(lines)

