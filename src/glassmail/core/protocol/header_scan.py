"""What the receiving side wants from a message's header: its hops and its Message-ID.

Purpose:
    Fed with the stored form (LF line ends) while the body arrives. It keeps the header, and
    only the header, until its end or HEADER_SCAN_BYTES_MAX, and looks at it once.

Always:
    - A hop is a line that begins with `received` or `delivered`, in any case, before the first
      empty line (qmail-smtpd.c blast); `Received-SPF:` counts too.
    - Memory is bounded by HEADER_SCAN_BYTES_MAX and one chunk.
"""

from glassmail.core.model.limits import HEADER_SCAN_BYTES_MAX, MESSAGE_ID_BYTES_MAX


class HeaderScan:
    """Finds the end of the header in whatever pieces it comes."""

    __slots__ = ("_kept", "hops", "is_done", "message_id")

    def __init__(self) -> None:
        self._kept = bytearray()  # grows in place: a header may come byte by byte
        self.is_done = False
        self.hops = 0
        self.message_id = b""

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the stored message; nothing happens once `is_done`."""
        kept = self._kept
        if not kept:  # nearly always: the first piece holds the whole header
            end = 0 if piece.startswith(b"\n") else piece.find(b"\n\n")
            if end < 0 and len(piece) < HEADER_SCAN_BYTES_MAX:
                kept += piece
            else:
                self._scan(piece[: end + 1] if end >= 0 else piece)
            return
        looked_at = len(kept) - 1
        kept += piece
        end = kept.find(b"\n\n", looked_at)
        if end >= 0:
            self._scan(bytes(kept[: end + 1]))
        elif len(kept) >= HEADER_SCAN_BYTES_MAX:
            self._scan(bytes(kept))

    def finish(self) -> None:
        """The message ends; one without an empty line is all header."""
        if not self.is_done:
            self._scan(bytes(self._kept))

    def _scan(self, header: bytes) -> None:
        self.is_done = True
        self._kept = bytearray()
        header = header[:HEADER_SCAN_BYTES_MAX]
        lines = b"\n" + header.lower()
        self.hops = lines.count(b"\nreceived") + lines.count(b"\ndelivered")
        at = lines.find(b"\nmessage-id:")
        if at >= 0:
            self.message_id = _value(header, at + len("message-id:"))


def _value(header: bytes, start: int) -> bytes:
    """Return a field's value without blanks, folded lines joined (RFC 5322, 2.2.3)."""
    end = header.find(b"\n", start)
    while end >= 0 and header[end + 1 : end + 2] in (b" ", b"\t"):
        end = header.find(b"\n", end + 1)
    value = header[start : end if end >= 0 else len(header)]
    return value.translate(None, b" \t\r\n")[:MESSAGE_ID_BYTES_MAX]
