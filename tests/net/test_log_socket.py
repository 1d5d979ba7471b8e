import os
import socket

from glassmail.net.log_socket import LogSocket


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def receiver(path):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    made.setblocking(False)
    return made


def test_lines_arrive_and_a_new_receiver_is_found(tmp_path):
    told, clock, path = [], Clock(), tmp_path / "log"
    sender = LogSocket(os.fsencode(path), told.append, clock)
    sender.send(b"nobody")
    assert told == [f"{path}: No such file or directory: log lines are lost there"]
    with receiver(path) as first:
        sender.send(b"too soon")  # tried again after a second
        clock.now += 1
        sender.send(b"one")
        assert first.recv(100) == b"one"
    assert told[1] == f"{path} takes log lines again; 2 were lost"
    path.unlink()
    clock.now += 1
    sender.send(b"gone")
    with receiver(path) as second:
        clock.now += 1
        sender.send(b"two")
        assert second.recv(100) == b"two"
    assert len(told) == 4
    sender.close()


def test_a_receiver_that_does_not_read_delays_nothing(tmp_path):
    told = []
    with receiver(tmp_path / "log") as slow:
        sender = LogSocket(os.fsencode(tmp_path / "log"), told.append)
        for _ in range(2_000):
            sender.send(b"x" * 1_000)
        assert sender.lost > 0
        assert len(told) == 1
        assert slow.recv(2_000) == b"x" * 1_000
    sender.close()
