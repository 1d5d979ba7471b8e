"""The envelope as qmail-queue reads it from descriptor 1 (envelopes.5, qmail-queue.c).

`F` sender NUL, then `T` recipient NUL for each recipient, then one more NUL.

Pure:
    Bytes in any pieces in; the parser tells when it has seen the end. What follows the last NUL
    is not looked at, since a caller may keep the descriptor open.

Refuses:
    EnvelopeError with qmail-queue's exit code: 91 for another letter, 11 for an address over
    ENVELOPE_ADDRESS_BYTES_MAX, 54 (by `end_of_file`) for an envelope that ends too early,
    31 for more than RECIPIENTS_MAX recipients or RECIPIENTS_BYTES_MAX bytes of them, which no
    retry would mend.
"""

from glassmail.core.model.limits import (
    ENVELOPE_ADDRESS_BYTES_MAX,
    RECIPIENTS_BYTES_MAX,
    RECIPIENTS_MAX,
)

_SENDER = 0x46  # F
_RECIPIENT = 0x54  # T


class EnvelopeError(ValueError):
    """The envelope cannot be used; `exit_code` is what qmail-queue ends with."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"qmail-queue exit {exit_code}")
        self.exit_code = exit_code


class EnvelopeParser:
    """Collect sender and recipients from pieces of an envelope."""

    __slots__ = ("_buffer", "_bytes", "is_complete", "recipients", "sender")

    def __init__(self) -> None:
        self.sender: bytes | None = None
        self.recipients: list[bytes] = []
        self.is_complete = False
        self._buffer = b""
        self._bytes = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece; raises EnvelopeError as soon as the envelope cannot be used."""
        data = self._buffer + data
        at = 0
        while at < len(data) and not self.is_complete:
            if data[at] == 0 and self.sender is not None:
                self.is_complete = True
                break
            if data[at] != (_SENDER if self.sender is None else _RECIPIENT):
                raise EnvelopeError(91)
            end = data.find(b"\0", at + 1, at + 1 + ENVELOPE_ADDRESS_BYTES_MAX + 1)
            if end < 0:
                if len(data) - at - 1 > ENVELOPE_ADDRESS_BYTES_MAX:
                    raise EnvelopeError(11)
                break
            self._keep(data[at + 1 : end])
            at = end + 1
        self._buffer = data[at:]

    def end_of_file(self) -> None:
        """Say that nothing follows; raises EnvelopeError when the envelope is not complete."""
        if not self.is_complete:
            raise EnvelopeError(54)

    def _keep(self, address: bytes) -> None:
        if self.sender is None:
            self.sender = address
            return
        self._bytes += len(address)
        if len(self.recipients) >= RECIPIENTS_MAX or self._bytes > RECIPIENTS_BYTES_MAX:
            raise EnvelopeError(31)
        self.recipients.append(address)


def render(sender: bytes, recipients: tuple[bytes, ...]) -> bytes:
    """Write an envelope for another program in qmail-queue's place."""
    return b"F%b\0%b\0" % (sender, b"".join(b"T%b\0" % address for address in recipients))
