"""Read the body that follows DATA: find its only true end, give it out in stored form.

Purpose:
    Wire bytes in, in any chunks; LF-ended and dot-unstuffed pieces out (RFC 5321, 4.5.2).

How:
    Everything is asked of whole chunks with `find`, `count` and `replace`. The bytes at a
    chunk's end that may begin CR LF . CR LF are carried over to the next one, so that no CR LF
    and no dot is ever looked at without what stands before it. The line before the first one is
    pretended: a carried CR LF makes a dot as the very first byte no special case.

Always:
    - Only CR LF . CR LF ends the body, at any chunk split. None of the forms with a lone CR, a
      lone LF or a NUL does; a NUL is data.
    - A lone CR or LF never reaches the queue as it came: the first is noted (offset and line),
      nothing is given out any more, and reading goes on to the true end so that the client sees
      the answer. With `is_mending` (what fixcrio did) a lone LF becomes a line end and a lone
      CR a blank instead, but never an end.
    - Beyond `size_max` bytes nothing is given out either; counting goes on.
    - Memory: at most 4 carried bytes, and the header until its end.
"""

from typing import NamedTuple

from glassmail.core.protocol.header_scan import HeaderScan

END = b"\r\n.\r\n"


class BareLineEnd(NamedTuple):
    """The first lone CR or LF of a body.

    Attributes:
        name: `LF` or `CR`.
        offset: bytes of the body, as it came, before it.
        line: number of the line it stands in, from 1.
    """

    name: str
    offset: int
    line: int


class DataReader:
    """One body.

    Attributes:
        rest: what followed the end, for the command reader; None while the end has not come.
        size: bytes of the stored form.
        bare: the first lone CR or LF.
        header: hops and Message-ID, final when the end has come.
    """

    __slots__ = (
        "_at",
        "_carry",
        "_is_first",
        "_is_mending",
        "_lines",
        "_size_max",
        "bare",
        "header",
        "mended",
        "rest",
        "size",
    )

    def __init__(self, size_max: int, *, is_mending: bool = False) -> None:
        """Begin a body.

        Args:
            size_max: bytes of the stored form beyond which nothing is kept; 0: no limit.
            is_mending: turn lone LF into line ends and lone CR into blanks.
        """
        self._carry = b"\r\n"
        self._at = -2  # offset of the carry's first byte in the body
        self._lines = 0  # complete lines before it
        self._is_first = True
        self._size_max = size_max
        self._is_mending = is_mending
        self.rest: bytes | None = None
        self.size = 0
        self.bare: BareLineEnd | None = None
        self.mended: BareLineEnd | None = None  # the first that was mended
        self.header = HeaderScan()

    @property
    def is_too_long(self) -> bool:
        """Tell whether the stored form is longer than allowed."""
        return 0 < self._size_max < self.size

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes off the wire; return the next piece of the stored form.

        Once `rest` is set the body is over and this must not be called again.
        """
        carry = self._carry
        if carry:
            data = carry + data
        first_dot = data.find(b"\r\n.")
        end = -1
        if first_dot >= 0:
            end = first_dot if data.startswith(END, first_dot) else data.find(END, first_dot + 3)
        if end >= 0:
            self.rest = data[end + 5 :]
            block = data[: end + 2]
        else:
            held = _held(data)
            self._carry = data[len(data) - held :] if held else b""
            block = data[: len(data) - held] if held else data
        has_dots = 0 <= first_dot <= len(block) - 3
        piece = self._stored(block, has_dots=has_dots) if block else b""
        if end >= 0:
            self.header.finish()
        return piece

    def _stored(self, block: bytes, *, has_dots: bool) -> bytes:
        """Turn whole line ends and what stands between them into the stored form."""
        crlfs = block.count(b"\r\n")
        text = block.replace(b"\r", b"")
        # As many CR as CR LF, as many LF as CR LF: then none stands alone. Measured: deleting is
        # four times as fast as counting single bytes.
        bares = len(block) - len(text) - crlfs
        bares += len(text) - len(text.replace(b"\n", b"")) - crlfs
        if bares:
            text = self._uneven(block)
        elif has_dots:
            text = text.replace(b"\n.", b"\n")
        self._at += len(block)
        self._lines += crlfs
        if self._is_first:
            self._is_first = False
            self._lines = crlfs - 1
            text = text[1:]  # the pretended line end
        self.size += len(text)
        if not self.header.is_done and text:
            self.header.feed(text)
        return b"" if self.bare is not None or self.is_too_long else text

    def _uneven(self, block: bytes) -> bytes:
        if not self._is_mending:
            if self.bare is None:
                self.bare = self._find_bare(block)
            return block.replace(b"\r\n.", b"\r\n").replace(b"\r\n", b"\n")
        if self.mended is None:
            self.mended = self._find_bare(block)
        even = block.replace(b"\r\n.", b"\r\n").replace(b"\r\n", b"\n")
        return even.replace(b"\r", b" ")

    def _find_bare(self, block: bytes) -> BareLineEnd:
        masked = block.replace(b"\r\n", b"..")
        places = [
            (at, name)
            for name, byte in (("CR", b"\r"), ("LF", b"\n"))
            if (at := masked.find(byte)) >= 0
        ]
        at, name = min(places)
        complete = self._lines + block.count(b"\r\n", 0, at) - (1 if self._is_first else 0)
        return BareLineEnd(name, self._at + at, complete + 1)


def _held(data: bytes) -> int:
    """Return how many bytes at the end may be the beginning of CR LF . CR LF."""
    if data.endswith(b"\r"):
        return 4 if data.endswith(b"\r\n.\r") else 1
    if data.endswith(b"\r\n"):
        return 2
    return 3 if data.endswith(b"\r\n.") else 0
