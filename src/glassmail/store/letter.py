"""A stored message at hand for delivery: its head, and its body in memory or behind a descriptor.

Purpose:
    Everything that reads a message while delivering it (loop check, Maildir, mbox, a program's
    standard input) reads it here, whether the body came in the frame or as an open file.

Always:
    - Line ends are LF. The descriptor is read by position, so its offset never matters and
      several readers do not disturb each other.
    - A body in a file is copied in pieces of PIECE_BYTES: memory does not grow with the message.
"""

import os
import tempfile
from collections.abc import Iterator

PIECE_BYTES = 262_144
MEMORY_FILE_BYTES_MAX = 4_194_304  # a larger copy for a program's input goes to a file on disk


class LetterError(Exception):
    """The message cannot be read, or is not as long as was said."""


class Letter:
    """One message, read-only.

    Attributes:
        head: lines that the server put before the body.
        body: the body, or None when `descriptor` holds it.
        descriptor: an open file with the body, -1 when there is none.
        size: bytes of head and body together.
        users: deliveries that still need it; see `release`.
    """

    __slots__ = ("_wire_extra", "body", "descriptor", "head", "size", "users")

    def __init__(self, head: bytes, body: bytes | None, descriptor: int, size: int) -> None:
        self.head = head
        self.body = body
        self.descriptor = descriptor
        self.size = size
        self.users = 1
        self._wire_extra = -1

    @classmethod
    def of(cls, message: bytes) -> "Letter":
        """Make a letter of a whole message in memory."""
        return cls(b"", message, -1, len(message))

    def release(self) -> None:
        """One user less; the last one closes the descriptor."""
        self.users -= 1
        if not self.users and self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def pieces(self) -> Iterator[bytes]:
        """Yield head and body in order; raises LetterError."""
        yield self.head
        if self.body is not None:
            yield self.body
            return
        at = 0
        end = self.size - len(self.head)
        while at < end:
            try:
                piece = os.pread(self.descriptor, min(PIECE_BYTES, end - at), at)
            except OSError as error:
                raise LetterError(str(error)) from error
            if not piece:
                raise LetterError(f"the body ends at byte {at} of {end}")
            at += len(piece)
            yield piece

    def start(self, most: int) -> bytes:
        """Return the message's first bytes, `most` at least when there are so many."""
        if self.body is not None:
            return self.head + self.body if self.head else self.body
        text = self.head
        for piece in self.pieces():
            if piece is not self.head:
                text += piece
            if len(text) >= most:
                break
        return text

    def wire_extra(self) -> int:
        """Count the CRs that the message gains on the wire: its LFs without one (read once)."""
        if self._wire_extra < 0:
            extra = 0
            last = b""
            for piece in self.pieces():
                extra += piece.count(b"\n")
                if b"\r" in piece:
                    extra -= piece.count(b"\r\n")
                if last == b"\r" and piece.startswith(b"\n"):
                    extra -= 1
                last = piece[-1:] or last
            self._wire_extra = extra
        return self._wire_extra

    def as_file(self, top: bytes = b"") -> int:
        """Return a new descriptor, at its start, of a file with `top` and the message.

        Raises LetterError when the message cannot be read, OSError when the file cannot be made.
        """
        if len(top) + self.size <= MEMORY_FILE_BYTES_MAX:
            descriptor = os.memfd_create("message", os.MFD_CLOEXEC)
        else:
            with tempfile.TemporaryFile(buffering=0) as file:  # without a name: nobody opens it
                descriptor = os.dup(file.fileno())
        try:
            write_all(descriptor, top)
            for piece in self.pieces():
                write_all(descriptor, piece)
            os.lseek(descriptor, 0, os.SEEK_SET)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of data; raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
