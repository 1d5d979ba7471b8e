"""A worker's line to the queue: answers, breaks, the part that makes forwards idempotent."""

import os
import socket

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.route.users import User
from glassmail.daemons import worker_queue
from glassmail.daemons.worker_queue import LOST, NO_CONNECTION, QueueLine, part_of
from glassmail.net.blocking import BlockingChannel
from glassmail.net.messages import Declined, Enqueue, Enqueued, Hello, encode
from glassmail.stations.deliver_requests import Forward
from glassmail.stations.deliver_wants import Task
from glassmail.store.letter import Letter

_decoder = msgspec.msgpack.Decoder(Hello | Enqueue)
TASK = Task(
    User(b"joe", 1, 1, b"/h", b"", b""), b"joe", b"x.test", b"s@x", Letter.of(b"x"), 5, 2, b"key",
    1, 77, 3,
)  # fmt: skip


class Queue:
    def __init__(self, path):
        self.path = str(path)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(2)
        self.channel = None

    def heard(self):
        if self.channel is None:
            sock, _address = self._listener.accept()
            sock.settimeout(5)
            self.channel = BlockingChannel(sock)
            assert _decoder.decode(self.channel.receive()[0]) == Hello("client", os.getpid())
        return _decoder.decode(self.channel.receive()[0])

    def hang_up(self):
        self.channel.close()
        self.channel = None

    def close(self):
        self._listener.close()
        if self.channel is not None:
            self.channel.close()


@pytest.fixture
def queue(tmp_path):
    made = Queue(tmp_path / "queue.sock")
    yield made
    made.close()


def forward(line, *recipients):
    want = Forward(recipients, b"s@x", b"Delivered-To: joe@x.test\n")
    done = []
    line.forward(TASK, want, lambda: done.append(want))
    return want, done


def test_answers_find_their_forwards(queue):
    line = QueueLine(queue.path)
    assert (line.descriptor, line.wait_ms()) == (-1, None)
    first, first_done = forward(line, b"a@x")
    second, second_done = forward(line, b"b@x")
    sent = [queue.heard(), queue.heard()]
    assert sent[0].origin.number == 2
    assert (sent[0].code, sent[0].part, sent[0].kind, sent[0].body) == (77, 3, "user", None)
    assert sent[0].origin.part != sent[1].origin.part
    queue.channel.send(encode(Declined(sent[1].ref, "D", 31, b"no")))
    queue.channel.send(encode(Enqueued(sent[0].ref, 9)))
    queue.channel.send(encode(Enqueued(99, 9)))  # nobody's
    line.wait()
    assert first_done == [first]
    assert second_done == [second]
    assert (first.letter, first.message) == ("K", 9)
    assert (second.letter, second.text) == ("D", b"no")
    assert line.wait_ms() is None
    line.close()


def test_no_queue(tmp_path):
    line = QueueLine(str(tmp_path / "none"))
    want, done = forward(line, b"a@x")
    assert done == [want]
    assert (want.letter, want.text) == ("Z", NO_CONNECTION)


@pytest.mark.parametrize("frame", [None, b"\xc1", b""])
def test_a_queue_that_breaks_off_or_talks_nonsense(queue, frame):
    line = QueueLine(queue.path)
    want, done = forward(line, b"a@x")
    queue.heard()
    if frame is None:
        queue.hang_up()
    else:
        queue.channel.send(frame)
    line.readable()
    assert done == [want]
    assert (want.letter, want.text) == ("Z", LOST)
    assert line.descriptor == -1
    if frame is not None:
        queue.hang_up()
    want, done = forward(line, b"a@x")  # the next one connects anew
    queue.channel_ref = queue.heard().ref
    queue.channel.send(encode(Enqueued(queue.channel_ref, 4)))
    line.readable()
    assert want.message == 4
    line.close()


def test_a_queue_that_does_not_answer(queue, monkeypatch):
    monkeypatch.setattr(worker_queue, "FORWARD_WAIT_S", -1.0)
    line = QueueLine(queue.path)
    want, done = forward(line, b"a@x")
    line.wait()
    assert done == [want]
    assert want.text == LOST


@given(st.lists(st.binary(max_size=5), max_size=4), st.lists(st.binary(max_size=5), max_size=4))
def test_parts_differ_when_forwards_do(first, second):
    parts = [part_of(Forward(tuple(each), b"s", b"t")) for each in (first, second)]
    assert (parts[0] == parts[1]) == (first == second)
    assert 0 <= parts[0] < 2**63
