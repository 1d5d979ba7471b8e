"""A stand-in for the queue process: hands jobs to the local starter, answers forwards."""

import asyncio
import os
import socket

import msgspec

from glassmail.net.channel import Channel
from glassmail.net.messages import (
    Deliver,
    Enqueue,
    Enqueued,
    Hello,
    Job,
    Result,
    Settle,
    Target,
    encode,
)

_decoder = msgspec.msgpack.Decoder(Hello | Settle | Enqueue)


class FakeQueue:
    """Listens where the queue would; keeps what came."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.forwards: list[Enqueue] = []
        self.results: dict[int, Result] = {}
        self.connections = 0
        self.local: Channel | None = None
        self.on_settle = lambda results: None
        self._changed = asyncio.Event()
        self._channels: list[Channel] = []
        self._delivery = 0

    async def __aenter__(self) -> "FakeQueue":
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self._listener.bind(self.path)
        os.chmod(self.path, 0o666)
        self._listener.listen(64)
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener.fileno(), self._accept)
        return self

    async def __aexit__(self, *_error: object) -> None:
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        self._listener.close()
        for channel in self._channels:
            channel.close()

    def _accept(self) -> None:
        sock, _address = self._listener.accept()
        channel: Channel | None = None

        def heard(payload: bytes, _descriptors: tuple[int, ...]) -> None:
            assert channel is not None
            self._heard(channel, _decoder.decode(payload))

        def closed(_reason: str) -> None:
            if self.local is channel:
                self.local = None
            self._changed.set()

        channel = Channel(sock, heard, closed)
        self._channels.append(channel)

    def _heard(self, channel: Channel, message: Hello | Settle | Enqueue) -> None:
        if isinstance(message, Hello):
            if message.role == "local":
                self.local = channel
                self.connections += 1
        elif isinstance(message, Enqueue):
            self.forwards.append(message)
            channel.send(encode(Enqueued(message.ref, 9_000 + len(self.forwards))))
        else:
            for result in message.results:
                self.results[result.delivery] = result
            self.on_settle(message.results)
        self._changed.set()

    async def until(self, condition, seconds: float = 20.0) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def send(self, jobs: list[Job], descriptors: tuple[int, ...] = ()) -> None:
        assert self.local is not None
        self.local.send(encode(Deliver(tuple(jobs))), descriptors)

    async def deliver(self, *jobs: Job, descriptors: tuple[int, ...] = ()) -> list[Result]:
        """Hand jobs out and wait for all their results, in order of delivery."""
        await self.until(lambda: self.local is not None)
        self.send(list(jobs), descriptors)
        numbers = [target.delivery for job in jobs for target in job.targets]
        await self.until(lambda: all(number in self.results for number in numbers))
        return [self.results[number] for number in numbers]

    def target(self, address: bytes, number: int = 0) -> Target:
        self._delivery += 1
        return Target(self._delivery, number, address, address, b"key")


def job(number: int, targets: tuple[Target, ...], **changes) -> Job:
    """A job with a small message."""
    head = b"Received: (qmail %d invoked by uid 1001); 20 Nov 2026 15:04:01 -0000\n" % number
    body = changes.pop("body", b"Subject: hello\n\nbody line\n")
    fields = {
        "message": number,
        "sender": b"sender@src.test",
        "head": head,
        "body": body,
        "size": len(head) + len(body or b""),
        "born": 1_795_187_040,
        "code": 7,
        "part": 1,
        "dying": False,
        "targets": targets,
    }
    return Job(**{**fields, **changes})
