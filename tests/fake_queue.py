"""A queue that speaks net/messages and keeps what it is given in memory: for tests of clients."""

import asyncio
import os
import socket
import tempfile

import msgspec

from glassmail.net.channel import Channel
from glassmail.net.messages import (
    BodyOpened,
    Codes,
    Declined,
    Enqueue,
    Enqueued,
    Hello,
    OpenBody,
    TakeCodes,
    encode,
)

DECODER = msgspec.msgpack.Decoder(Hello | TakeCodes | OpenBody | Enqueue)


class FakeQueue:
    """Listens on a Unix socket of the running loop.

    Attributes:
        messages: every Enqueue that was accepted.
        bodies: contents of the files they named, by message number.
        decline: answer every Enqueue with this (its ref is put in), or None.
        is_silent: whether Enqueue gets no answer at all.
        gives_codes: whether TakeCodes is answered.
        body_path: what OpenBody opens instead of a fresh file.
        taken_back: files that were opened and not used.
    """

    def __init__(self, path):
        self.path = path
        self.messages = []
        self.bodies = {}
        self.hellos = []
        self.decline = None
        self.is_silent = False
        self.gives_codes = True
        self.body_path = None
        self.taken_back = []
        self.next_code = 1
        self.number = 0
        self._files = {}
        self._channels = []
        self._sock = None

    def start(self):
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.bind(self.path)
        self._sock.listen(64)
        self._sock.setblocking(False)
        asyncio.get_running_loop().add_reader(self._sock.fileno(), self._accept)

    def stop(self):
        if self._sock is not None:
            asyncio.get_running_loop().remove_reader(self._sock.fileno())
            self._sock.close()
            self._sock = None
            os.unlink(self.path)
        for channel in list(self._channels):
            channel.close()
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()

    def _accept(self):
        sock, _ = self._sock.accept()
        channel = Channel(
            sock,
            lambda payload, descriptors: self._frame(channel, payload, descriptors),
            lambda reason: self._channels.remove(channel),
        )
        self._channels.append(channel)

    def _frame(self, channel, payload, descriptors):
        assert not descriptors
        message = DECODER.decode(payload)
        if isinstance(message, Hello):
            self.hellos.append(message)
        elif isinstance(message, TakeCodes):
            if self.gives_codes:
                channel.send(encode(Codes(self.next_code, 1024)))
                self.next_code += 1024
        elif isinstance(message, OpenBody):
            self._open(channel, message)
        else:
            self._enqueue(channel, message)

    def _open(self, channel, message):
        if self.body_path is not None:
            descriptor = os.open(self.body_path, os.O_RDWR)
        else:
            descriptor, path = tempfile.mkstemp(dir=os.path.dirname(self.path))
            os.unlink(path)
        file = len(self._files) + 1
        self._files[file] = descriptor
        channel.send(encode(BodyOpened(message.ref, file)), (descriptor,))

    def _enqueue(self, channel, message):
        if message.size < 0:
            self.taken_back.append(message.file)
            channel.send(encode(Declined(message.ref, "Z", 54, b"qq read error (#4.3.0)")))
            return
        if self.is_silent:
            return
        if self.decline is not None:
            said = self.decline
            declined = Declined(message.ref, said.letter, said.exit_code, said.text)
            channel.send(encode(declined))
            return
        self.number += 1
        self.messages.append(message)
        if message.body is None:
            descriptor = self._files[message.file]
            assert os.fstat(descriptor).st_size == message.size
            self.bodies[self.number] = os.pread(descriptor, message.size, 0)
        else:
            assert len(message.body) == message.size
            self.bodies[self.number] = message.body
        channel.send(encode(Enqueued(message.ref, self.number)))
