"""A queue that answers over a real Unix socket as it is told, in a thread."""

import json
import os
import socket
import threading

import msgspec

from glassmail.net.blocking import BlockingChannel
from glassmail.net.messages import (
    BodyOpened,
    Declined,
    Enqueue,
    Enqueued,
    Failed,
    Hello,
    OpenBody,
    Request,
    Rows,
    encode,
)

_decoder = msgspec.msgpack.Decoder(Hello | OpenBody | Enqueue | Request)


class FakeQueue:
    """Attributes: hellos, taken (Enqueue, body), requests: what came in, in order."""

    def __init__(self, root, answer="take", body_answer="open", stats=None, messages=()):
        self.hellos = []
        self.taken = []
        self.requests = []
        self._root = root
        self._answer = answer
        self._body_answer = body_answer
        self._stats = stats
        self._messages = messages
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(root / "run" / "queue.sock"))
        self._listener.listen(8)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_exception):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self):
        while True:
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            channel = BlockingChannel(sock)
            try:
                self._talk(channel)
            finally:
                channel.close()

    def _talk(self, channel):
        body = None
        while received := channel.receive():
            message = _decoder.decode(received[0])
            if isinstance(message, Hello):
                self.hellos.append(message)
            elif isinstance(message, OpenBody):
                body = self._open_body(channel, message)
            elif isinstance(message, Request):
                self.requests.append(message)
                channel.send(encode(self._tell(message)))
            elif self._answer == "hang up":
                return
            else:
                self._take(channel, message, body)

    def _open_body(self, channel, message):
        if self._body_answer == "hang up":
            channel.sock.shutdown(socket.SHUT_RDWR)
            return None
        if self._body_answer == "full":
            channel.send(encode(Declined(message.ref, "Z", 53, b"qq write error (#4.3.0)")))
            return None
        path = self._root / "body"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        channel.send(encode(BodyOpened(message.ref, 7)), (descriptor,))
        os.close(descriptor)
        return path

    def _take(self, channel, message, body):
        self.taken.append((message, message.body if body is None else body.read_bytes()))
        if self._answer == "take":
            channel.send(encode(Enqueued(message.ref, 42)))
        elif self._answer == "nonsense":
            channel.send(b"\xc1")
        else:
            letter, code, text = self._answer
            channel.send(encode(Declined(message.ref, letter, code, text)))

    def _tell(self, request):
        if request.verb == "stats":
            if self._stats is None:
                return Failed(request.ref, 3, "run it as root")
            return Rows(request.ref, (json.dumps(self._stats).encode(),))
        after, limit = request.arguments["after"], request.arguments["limit"]
        page = [m for m in self._messages if m["message"] > after][: min(limit, 2)]
        rows = [json.dumps(m).encode() for m in page]
        if len(page) == 2:
            rows.append(json.dumps({"after": page[-1]["message"]}).encode())
        return Rows(request.ref, tuple(rows), len(page) == 2)
