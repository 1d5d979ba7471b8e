"""The values that go in and out of the queue store."""

from typing import NamedTuple

LOCAL, REMOTE = 0, 1  # channel numbers in the recipient table


class NewRecipient(NamedTuple):
    """A recipient as it is queued: envelope address, channel, rewritten address."""

    original: bytes
    channel: int
    address: bytes


class NewMessage(NamedTuple):
    """A message as it is queued.

    Attributes:
        id: its number, from QueueStore.next_message.
        head: our lines before the body.
        data: the body, None when `file` holds it or `body` refers to one that is there.
        file: name below queue/body, else None.
        body: id of an existing body to refer to, 0 for a new one.
        size: bytes of head and body.
    """

    id: int
    born: int
    sender: bytes
    uid: int
    code: int
    part: int
    kind: str
    origin: int
    head: bytes
    data: bytes | None
    file: str | None
    body: int
    body_size: int
    recipients: tuple[NewRecipient, ...]

    @property
    def size(self) -> int:
        """Bytes of the stored message."""
        return len(self.head) + self.body_size


class Waiting(NamedTuple):
    """A recipient that still waits for delivery."""

    number: int
    original: bytes
    address: bytes


class Stored(NamedTuple):
    """A message read back; data None when the body is in `file`."""

    id: int
    body: int
    born: int
    size: int
    sender: bytes
    uid: int
    code: int
    part: int
    kind: str
    origin: int
    due_local: int | None
    due_remote: int | None
    head: bytes
    data: bytes | None
    file: str | None


class Settlement(NamedTuple):
    """What is written when a recipient is settled for good: its new state and bounce text."""

    message: int
    number: int
    state: int
    text: bytes


class WaitingRow(NamedTuple):
    """A recipient that waits, and what live views need of its message.

    Attributes:
        held: 1 when the message is held back, else 0.
    """

    message: int
    born: int
    kind: str
    sender: bytes
    held: int
    channel: int
    address: bytes
    text: bytes
    due: int | None


def channel_name(channel: int) -> str:
    """`local` or `remote`."""
    return "local" if channel == LOCAL else "remote"
