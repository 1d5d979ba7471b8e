"""Files in queue/drop: messages that a submitter left while the queue did not answer.

The layout is made so that a message of any size can be written as it comes:

    head      one line of HEAD_BYTES bytes:
              `glassmail-drop 1 BODYSIZE ENVELOPESIZE SHA256` LF
              both sizes are 20 decimal digits, the checksum (of body and envelope, in that order)
              64 hexadecimal ones. Until the file is complete, zeros stand there.
    body      BODYSIZE bytes, the message as qmail-queue read it
    envelope  ENVELOPESIZE bytes: netstrings, the sender first, then each recipient

Pure:
    store/drop reads and writes the files and computes the checksum.

Always:
    A file is used only when its length is exactly HEAD_BYTES + BODYSIZE + ENVELOPESIZE and its
    checksum is right. Who handed the message in is the file's owner, never anything in it.
"""

from typing import NamedTuple

from glassmail.core.model.envelope import Envelope
from glassmail.core.model.limits import (
    ENVELOPE_ADDRESS_BYTES_MAX,
    RECIPIENTS_BYTES_MAX,
    RECIPIENTS_MAX,
)

_MAGIC = b"glassmail-drop 1 "
_SIZE_DIGITS = 20
_CHECKSUM_DIGITS = 64
HEAD_BYTES = len(_MAGIC) + 2 * (_SIZE_DIGITS + 1) + _CHECKSUM_DIGITS + 1
ENVELOPE_BYTES_MAX = (
    RECIPIENTS_BYTES_MAX + ENVELOPE_ADDRESS_BYTES_MAX + (RECIPIENTS_MAX + 1) * len(b"1002:,")
)


class DropError(ValueError):
    """A file in queue/drop cannot be used; the text says what is wrong with it."""


class DropHead(NamedTuple):
    """The sizes in bytes and the checksum (lower-case hexadecimal) that the first line tells."""

    body_size: int
    envelope_size: int
    checksum: bytes


def render_head(head: DropHead) -> bytes:
    """Write the first line."""
    line = b"%b%020d %020d %b\n" % (_MAGIC, *head)
    assert len(line) == HEAD_BYTES
    return line


def parse_head(line: bytes) -> DropHead:
    """Read the first HEAD_BYTES bytes; raises DropError."""
    if len(line) != HEAD_BYTES or not line.startswith(_MAGIC) or not line.endswith(b"\n"):
        raise DropError("does not begin with a line of this format")
    words = line[len(_MAGIC) : -1].split(b" ")
    if [len(word) for word in words] != [_SIZE_DIGITS, _SIZE_DIGITS, _CHECKSUM_DIGITS]:
        raise DropError("its first line is damaged")
    body_size, envelope_size, checksum = words
    if not (body_size.isdigit() and envelope_size.isdigit()):  # bytes.isdigit is ASCII only
        raise DropError("its first line is damaged")
    if checksum.strip(b"0123456789abcdef"):
        raise DropError("its first line is damaged")
    head = DropHead(int(body_size), int(envelope_size), checksum)
    if head.envelope_size > ENVELOPE_BYTES_MAX:
        raise DropError(f"its envelope of {head.envelope_size} bytes is too long")
    return head


def render_envelope(envelope: Envelope) -> bytes:
    """Write sender and recipients as netstrings."""
    addresses = (envelope.sender, *envelope.recipients)
    return b"".join(b"%d:%b," % (len(item), item) for item in addresses)


def parse_envelope(data: bytes) -> Envelope:
    """Read the netstrings; raises DropError."""
    addresses = []
    at = 0
    while at < len(data):
        colon = data.find(b":", at, at + 6)
        digits = data[at:colon]
        if colon < 0 or not digits.isdigit():
            raise DropError("its envelope is damaged")
        end = colon + 1 + int(digits)
        if data[end : end + 1] != b",":
            raise DropError("its envelope is damaged")
        addresses.append(data[colon + 1 : end])
        at = end + 1
    if not addresses:
        raise DropError("its envelope is empty")
    if len(addresses) - 1 > RECIPIENTS_MAX:
        raise DropError(f"it has more than {RECIPIENTS_MAX} recipients")
    if any(len(a) > ENVELOPE_ADDRESS_BYTES_MAX or b"\0" in a for a in addresses):
        raise DropError("an address in it is too long or holds a NUL")
    return Envelope(addresses[0], tuple(addresses[1:]))
