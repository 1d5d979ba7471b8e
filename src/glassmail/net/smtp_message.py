"""The message that remote delivery sends: head and body, in memory or behind a descriptor.

Always:
    - A small message is encoded once, however many transactions send it.
    - A large one is read in chunks with pread, so several connections can send it at once from
      one descriptor, and memory stays bounded.
"""

import asyncio
import os
from collections.abc import Iterator

from glassmail.core.model.system_errors import words_of
from glassmail.core.protocol.smtp_body import BodyEncoder, PartialLineError, encode

CHUNK_BYTES = 65_536


class BodyError(Exception):
    """The body cannot be read, or is not as long as the queue says."""


class OutgoingMessage:
    """One stored message on its way out.

    Attributes:
        wire_size: bytes on the wire before dots are doubled, known after `measure`.
        is_ascii: whether no byte has its eighth bit set.
        is_whole: whether the last line ends with a newline.
        in_doubt: how many servers have got the final dot and not answered it yet.
    """

    __slots__ = (
        "_body", "_descriptor", "_encoded", "_head", "_size",
        "in_doubt", "is_ascii", "is_whole", "wire_size",
    )  # fmt: skip

    def __init__(self, head: bytes, body: bytes | None, descriptor: int, size: int) -> None:
        """Hold a message.

        Args:
            head: lines before the body.
            body: the body; None when it lies behind the descriptor.
            descriptor: of the body's file, ours to close; -1 when `body` holds it.
            size: bytes of head and body that must be there at least.
        """
        self._head = head
        self._body = body
        self._descriptor = descriptor
        self._size = size
        self._encoded: bytes | None = None
        self.wire_size = 0
        self.is_ascii = True
        self.is_whole = True
        self.in_doubt = 0

    @property
    def is_small(self) -> bool:
        """Tell whether the message is in memory."""
        return self._body is not None

    async def measure(self) -> None:
        """Find size, ending and 8-bit bytes; raises BodyError. Call it before anything else."""
        if self._body is None:
            await asyncio.to_thread(self._measure_file)
            return
        text = self._head + self._body
        self.is_ascii = text.isascii()
        self.is_whole = not text or text.endswith(b"\n")
        self.wire_size = len(text) + text.count(b"\n")
        if self.is_whole:
            self._encoded = encode(text)

    def _measure_file(self) -> None:
        size = lines = 0
        last = b""
        for chunk in self._chunks():
            size += len(chunk)
            lines += chunk.count(b"\n")
            self.is_ascii = self.is_ascii and chunk.isascii()
            last = chunk
        if size < self._size:
            raise BodyError(f"{size} bytes instead of {self._size}")
        self.is_whole = not last or last.endswith(b"\n")
        self.wire_size = size + lines

    @property
    def encoded(self) -> bytes:
        """The whole of a small message for the wire, final dot included."""
        assert self._encoded is not None
        return self._encoded

    def pieces(self) -> Iterator[bytes]:
        """Encode a large message piece by piece, without the final dot.

        Raises BodyError when it cannot be read any more, or is shorter than before.
        """
        encoder = BodyEncoder()
        size = 0
        for chunk in self._chunks():
            size += len(chunk)
            yield encoder.feed(chunk)
        if size < self._size:
            raise BodyError(f"{size} bytes instead of {self._size}")
        try:
            encoder.finish()
        except PartialLineError as error:
            raise BodyError(str(error)) from error

    def _chunks(self) -> Iterator[bytes]:
        if self._head:
            yield self._head
        at = 0
        while True:
            try:
                chunk = os.pread(self._descriptor, CHUNK_BYTES, at)
            except OSError as error:
                raise BodyError(words_of(error)) from error
            if not chunk:
                return
            at += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the descriptor."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
