"""Messages under way: what the queue process keeps of a message while it is being delivered."""

from collections.abc import Sequence

from glassmail.store.queue.rows import Stored


class Active:
    """A message with deliveries under way or about to start.

    Attributes:
        data: the body, None when `file` holds it.
        fresh: whether it was accepted in this run, so that nobody tried to deliver it before.
        channels: channels on which recipients still wait or run (LOCAL, REMOTE).
        has_failures: whether a bounce is due at the end.
        has_forwards: whether forwards were noted for it.
    """

    __slots__ = (
        "born", "channels", "code", "data", "file", "fresh", "has_failures",
        "has_forwards", "head", "id", "part", "sender", "size",
    )  # fmt: skip

    def __init__(self, stored: Stored, channels: Sequence[int], *, fresh: bool) -> None:
        self.id = stored.id
        self.born = stored.born
        self.code = stored.code
        self.part = stored.part
        self.sender = stored.sender
        self.head = stored.head
        self.data = stored.data
        self.file = stored.file
        self.size = stored.size
        self.fresh = fresh
        self.channels = set(channels)
        # Of a message read back we do not know without asking; the end of it asks.
        self.has_failures = not fresh
        self.has_forwards = not fresh

    @property
    def held_bytes(self) -> int:
        """Memory that its body takes."""
        return len(self.data) if self.data is not None else 0
