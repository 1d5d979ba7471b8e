"""Header fields by name, and where the header of a message ends (hfield.c, headerbody.c).

Pure:
    Bytes in any pieces in, fields out; linear in the size of the header.

Always:
    - A field keeps its line ends; continuation lines belong to it.
    - A first line `From x` becomes `MBOX-Line: From x` (any `From ` line in the header does).
    - A line that is no field ends the header; an empty line is put before it.
    - Every line of the message ends with a newline, the last one too.
"""

from glassmail.core.model.limits import INJECT_HEADER_BYTES_MAX

KNOWN = frozenset((
    b"sender", b"from", b"reply-to", b"to", b"cc", b"bcc", b"date", b"message-id", b"subject",
    b"resent-sender", b"resent-from", b"resent-reply-to", b"resent-to", b"resent-cc",
    b"resent-bcc", b"resent-date", b"resent-message-id", b"return-receipt-to", b"errors-to",
    b"apparently-to", b"received", b"return-path", b"delivered-to", b"content-length",
    b"content-type", b"content-transfer-encoding", b"notice-requested-upon-delivery-to",
    b"mail-followup-to",
))  # fmt: skip

_NAME_BYTES = bytes(range(33, 127))


class HeaderTooLongError(ValueError):
    """The header is longer than INJECT_HEADER_BYTES_MAX."""


def known_name(field: bytes) -> bytes:
    """Return the lower-case name of a field that qmail knows, else nothing."""
    name, colon, _value = field.partition(b":")
    name = name.rstrip(b" \t").lower()
    return name if colon and name in KNOWN else b""


def is_field(line: bytes) -> bool:
    """Tell whether a line begins a field: printable ASCII up to blanks and a colon."""
    name, colon, _value = line.partition(b":")
    name = name.rstrip(b" \t")
    return bool(colon and name) and not name.translate(None, _NAME_BYTES)


class HeaderSplitter:
    """Collect the header of a message that comes in pieces.

    Attributes:
        fields: the complete fields so far.
        body: once `is_complete`, the beginning of the body as far as it was fed.
    """

    __slots__ = ("_field", "_pending", "_searched", "_size", "body", "fields", "is_complete")

    def __init__(self) -> None:
        self.fields: list[bytes] = []
        self.body = b""
        self.is_complete = False
        self._field: list[bytes] = []
        self._pending = bytearray()
        self._searched = 0  # of _pending, known to hold no newline
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take a piece of the message; after `is_complete` the caller keeps further ones."""
        pending = self._pending
        pending += data
        start = 0
        end = pending.find(b"\n", self._searched)
        while end >= 0:
            line = bytes(pending[start : end + 1])
            start = end + 1
            if self._ends_header(line):
                self.body += bytes(pending[start:])
                pending.clear()
                return
            end = pending.find(b"\n", start)
        del pending[:start]
        self._searched = len(pending)
        if self._size + len(pending) > INJECT_HEADER_BYTES_MAX:
            raise HeaderTooLongError

    def end_of_file(self) -> None:
        """Say that nothing follows; the header ends here when it has not ended before."""
        if self._pending:
            self.feed(b"\n")
        if not self.is_complete:
            self._complete()

    def _ends_header(self, line: bytes) -> bool:
        self._size += len(line)
        if self._field and line[0] in b" \t":
            self._field.append(line)
            return False
        if line.startswith(b"From "):
            self._next_field([b"MBOX-Line: ", line])
        elif is_field(line):
            self._next_field([line])
        else:
            self.body = line if line == b"\n" else b"\n" + line
            self._complete()
        return self.is_complete

    def _next_field(self, beginning: list[bytes]) -> None:
        if self._field:
            self.fields.append(b"".join(self._field))
        self._field = beginning

    def _complete(self) -> None:
        self._next_field([])
        self.is_complete = True
