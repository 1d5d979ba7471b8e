"""Lines of a log that wait in memory for the disk: bounded, oldest first, losses counted."""

from collections.abc import Sequence

WAITING_BYTES_MAX = 8_388_608


class WaitingLines:
    """Chunks of whole lines.

    Attributes:
        lost: lines that memory could not keep, until whoever told of them sets it to 0.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._chunks: list[bytes] = []
        self._bytes = 0

    def add(self, chunks: Sequence[bytes]) -> None:
        """Add chunks of whole lines; beyond WAITING_BYTES_MAX the oldest half is lost."""
        self._chunks += chunks
        self._bytes += sum(map(len, chunks))
        if self._bytes > WAITING_BYTES_MAX:
            self._drop()

    def joined(self) -> bytes:
        """Return all that waits."""
        if len(self._chunks) > 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0] if self._chunks else b""

    def take(self, count: int) -> None:
        """Take bytes from the front: they are written."""
        if count:
            self._bytes -= count
            self._chunks = [self.joined()[count:]] if self._bytes else []

    def _drop(self) -> None:
        data = self.joined()
        cut = data.find(b"\n", len(data) // 2) + 1 or len(data)
        self.lost += data.count(b"\n", 0, cut)
        self.take(cut)
