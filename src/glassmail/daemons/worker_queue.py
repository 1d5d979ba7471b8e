"""A worker's line to the queue: forwards go out, their answers come back, nobody waits.

Always:
    A forward refers to the body of the message it comes from and carries a part made from its
    recipients and sender: when the delivery is repeated, the queue answers with the message that
    the forward already became, and a changed forward is another one.
"""

import os
import select
import time
from collections.abc import Callable
from hashlib import blake2b

import msgspec

from glassmail.daemons.local_limits import FORWARD_WAIT_S, QUEUE_SEND_S
from glassmail.net.blocking import BlockingChannel, ChannelError, connect
from glassmail.net.messages import Declined, Enqueue, Enqueued, Hello, Origin, encode
from glassmail.stations.deliver_requests import Forward
from glassmail.stations.deliver_wants import Task

NO_CONNECTION = b"qq trouble making network connection (#4.3.0)"
LOST = b"communication with mail server failed (#4.4.2)"

_decoder = msgspec.msgpack.Decoder(Enqueued | Declined)


class QueueLine:
    """A connection to the queue, made when the first forward needs it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._channel: BlockingChannel | None = None
        self._ref = 0
        self._waiting: dict[int, tuple[Forward, Callable[[], None], float]] = {}

    @property
    def descriptor(self) -> int:
        """What to poll; -1 while there is no connection."""
        return -1 if self._channel is None else self._channel.sock.fileno()

    def wait_ms(self) -> int | None:
        """How long the caller may poll before it must call `expire`; None: for ever."""
        if not self._waiting:
            return None
        oldest = next(iter(self._waiting.values()))[2]
        return max(0, int((oldest + FORWARD_WAIT_S - time.monotonic()) * 1000) + 1)

    def forward(self, task: Task, want: Forward, then: Callable[[], None]) -> None:
        """Send a forward; `then` is called when `want` holds the answer."""
        self._ref += 1
        self._waiting[self._ref] = (want, then, time.monotonic())
        try:
            if self._channel is None:
                self._channel = connect(self._path, QUEUE_SEND_S)
                self._channel.send(encode(Hello("client", os.getpid())))
            self._channel.send(encode(_enqueue(self._ref, task, want)))
        except OSError:
            text = NO_CONNECTION if self._channel is None else LOST
            self._break(text)

    def readable(self) -> None:
        """Take the answers that have come, if any have."""
        channel = self._channel
        if channel is None or not _has_something(channel.sock.fileno()):
            return  # what was readable was a connection that has broken since
        try:
            while True:
                received = channel.receive()
                if received is None:
                    raise ChannelError("end of file")
                payload, descriptors = received
                for number in descriptors:
                    os.close(number)
                self._answer(_decoder.decode(payload))
                if not channel.has_frame:
                    return
        except (OSError, ChannelError, msgspec.MsgspecError):
            self._break(LOST)

    def wait(self) -> None:
        """Wait until every forward is answered; for a process with nothing else to do."""
        while self._waiting:
            poller = select.poll()
            poller.register(self.descriptor, select.POLLIN)
            if poller.poll(self.wait_ms()):
                self.readable()
            else:
                self.expire()

    def expire(self) -> None:
        """Give up when the queue has not answered for too long."""
        if self._waiting and self.wait_ms() == 0:
            self._break(LOST)

    def close(self) -> None:
        """Close the connection; nobody is answered any more."""
        self._waiting.clear()
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _answer(self, message: Enqueued | Declined) -> None:
        waiting = self._waiting.pop(message.ref, None)
        if waiting is None:
            return
        want, then, _since = waiting
        if isinstance(message, Enqueued):
            want.letter, want.message = "K", message.message
        else:
            want.letter, want.text = message.letter, message.text
        then()

    def _break(self, text: bytes) -> None:
        """The connection is gone. What it carried is tried again later: forwards are idempotent."""
        waiting = list(self._waiting.values())
        self.close()
        for want, then, _since in waiting:
            want.letter, want.text = "Z", text
            then()


def _has_something(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(0))


def forward_alone(path: str, task: Task, want: Forward) -> None:
    """Send one forward and wait for its answer."""
    line = QueueLine(path)
    line.forward(task, want, lambda: None)
    line.wait()
    line.close()


def _enqueue(ref: int, task: Task, want: Forward) -> Enqueue:
    if want.body is not None:  # a new message: nothing of the old one is referred to
        return Enqueue(
            ref, want.sender, want.recipients, want.top, want.body, 0, len(want.body), 0, 0, b"",
            "user",
        )  # fmt: skip
    return Enqueue(
        ref=ref,
        sender=want.sender,
        recipients=want.recipients,
        head=want.top,
        body=None,
        file=0,
        size=task.letter.size,
        code=task.code,
        part=task.part,
        story=b"",
        kind="user",
        origin=Origin(task.message, task.number, task.key, part_of(want)),
    )


def part_of(want: Forward) -> int:
    """Name a forward by what it is: whom it is from and for, and what is put on top."""
    digest = blake2b(digest_size=7)
    for text in (want.sender, want.top, *want.recipients):
        digest.update(b"%d:%b" % (len(text), text))
    return int.from_bytes(digest.digest(), "big")
