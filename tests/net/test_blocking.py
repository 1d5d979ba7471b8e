"""Frames of programs without an event loop."""

import socket
import threading
from contextlib import closing

from glassmail.net import blocking
from glassmail.net.blocking import BlockingChannel, receive_some

FRAMES = 500
WAIT_S = 20.0


def channels():
    """Two ends that give up after WAIT_S."""
    pair = socket.socketpair()
    for end in pair:
        end.settimeout(WAIT_S)
    return [closing(BlockingChannel(end)) for end in pair]


def test_threads_of_one_process_do_not_read_into_each_others_bytes():
    """As tests do, with a server in a thread; no daemon reads frames in two threads."""
    right = []

    def echo(channel):
        for _ in range(FRAMES):
            channel.send(channel.receive()[0])

    def exchange(letter):
        here, there = channels()
        payload = letter * 40_000
        with here as ours, there as theirs:
            other = threading.Thread(target=echo, args=(theirs,), daemon=True)
            other.start()
            for _ in range(FRAMES):
                ours.send(payload)
                right.append(ours.receive() == (payload, ()))
            other.join(WAIT_S)

    threads = [
        threading.Thread(target=exchange, args=(letter,), daemon=True)
        for letter in (b"a", b"b", b"c")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert right == [True] * (FRAMES * len(threads))
    assert len(blocking._spare) <= 2 * len(threads) + 1


def test_a_socket_without_data_keeps_no_buffer():
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        ours.setblocking(False)
        before = len(blocking._spare) or 1
        for _ in range(10):
            try:
                receive_some(ours)
            except BlockingIOError:
                continue
            raise AssertionError("there was nothing to read")
        assert len(blocking._spare) == before
        theirs.sendall(b"x")
        assert receive_some(ours) == (b"x", [])
