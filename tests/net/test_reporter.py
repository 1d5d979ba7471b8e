"""The reporter, told from a loop, heard by a socket of the test."""

import asyncio
import os
import socket
import time

import msgspec
import pytest
import uvloop

from glassmail.events import codec
from glassmail.events.process import Alerted, Dropped, Notice
from glassmail.events.smtpd import Refused, SessionEnded
from glassmail.net import reporter as reporter_module
from glassmail.net.blocking import BlockingChannel
from glassmail.net.messages import Hello, Tell
from glassmail.net.reporter import BATCH_EVENTS, KEPT_EVENTS_MAX, Reporter, tell_once
from glassmail.net.unix_listener import listen_unix

DECODER = msgspec.msgpack.Decoder(Hello | Tell)
ENDED = SessionEnded(1, 1, "smtp", "192.0.2.7", 1, b"", 0, "quit", 1, 0, 1)
NOTICE = Notice(1, "smtpd", "x")
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


def refusal(number):
    return Refused(
        number, 0, 0, "smtp", "192.0.2.7", 1, "", b"", b"", b"", "rcpt", "x", 550, b"", ()
    )


def run(loop, main):
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


class Ear:
    """Reads what reporters send, without a loop: the kernel holds what was sent."""

    def __init__(self, path):
        self.path = str(path)
        self.sock = listen_unix(self.path)

    def accept(self):
        sock, _address = self.sock.accept()
        sock.settimeout(5)
        self.channel = BlockingChannel(sock)
        return DECODER.decode(self.channel.receive()[0])

    def hear(self, count):
        events = []
        while len(events) < count:
            events += self.frame()
        return events

    def frame(self):
        return codec.decode(DECODER.decode(self.channel.receive()[0]).events)

    def close(self):
        self.channel.close()
        self.sock.close()


@pytest.fixture
def ear(tmp_path):
    ear = Ear(tmp_path / "log.sock")
    yield ear
    ear.close()


def aside(work, *arguments):
    """Listen in a thread: what is said goes out with the next round of the loop."""
    return asyncio.to_thread(work, *arguments)


async def until(condition):
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it did not happen")


@LOOPS
def test_events_arrive_in_one_batch(loop, ear):
    async def main():
        teller = Reporter(ear.path, "smtpd")
        teller.start()
        assert await aside(ear.accept) == Hello("smtpd", os.getpid())
        for _ in range(3):
            teller.tell(ENDED)
        await until(lambda: not teller._events)
        assert await aside(ear.frame) == [ENDED] * 3
        teller.close()

    run(loop, main)


@LOOPS
def test_a_full_batch_does_not_wait_for_the_timer(loop, ear):
    async def main():
        teller = Reporter(ear.path, "smtpd")
        teller.start()
        await aside(ear.accept)
        for number in range(BATCH_EVENTS):
            teller.tell(refusal(number))
        assert not teller._events  # already sent, without a turn of the loop
        heard = await aside(ear.hear, BATCH_EVENTS)
        assert [event.at for event in heard] == list(range(BATCH_EVENTS))
        teller.close()

    run(loop, main)


def test_close_sends_the_rest(ear):
    async def main():
        teller = Reporter(ear.path, "smtpd")
        teller.start()
        await aside(ear.accept)
        teller.tell(ENDED)
        teller.close()
        assert await aside(ear.hear, 1) == [ENDED]
        teller.tell(ENDED)  # after the end nothing is kept
        assert not teller._events

    run(uvloop.new_event_loop, main)


def test_while_the_log_is_away_noise_goes_first_and_is_counted(tmp_path):
    path = tmp_path / "log.sock"

    async def main():
        teller = Reporter(str(path), "smtpd")
        teller.start()
        await asyncio.sleep(0.01)  # what is said goes out with the next round of the loop
        noise = KEPT_EVENTS_MAX * 2
        refusals = KEPT_EVENTS_MAX // 2
        for number in range(noise):
            teller.tell(ENDED if number % 2 else NOTICE)
            if number % 4 == 0:
                teller.tell(refusal(number))
        assert len(teller._events) <= KEPT_EVENTS_MAX + BATCH_EVENTS
        kept = [event for event in teller._events if isinstance(event, Refused)]
        assert [event.at for event in kept] == list(range(0, noise, 4))  # not one refusal lost
        assert len(kept) == refusals
        dropped = teller.dropped
        assert dropped > 0
        ear = Ear(path)
        await until(lambda: teller.dropped == 0 and not teller._events)
        await aside(ear.accept)
        events = await aside(ear.hear, noise + refusals - dropped + 1)
        assert [type(event) for event in events].count(Refused) == refusals
        told = [event for event in events if isinstance(event, Dropped)]
        assert [(event.role, event.count) for event in told] == [("smtpd", dropped)]
        assert len(events) == noise + refusals - dropped + 1
        teller.close()
        ear.close()

    run(uvloop.new_event_loop, main)


def test_refusals_are_bounded_too_and_the_newest_stay(tmp_path):
    async def main():
        teller = Reporter(str(tmp_path / "nobody"), "smtpd")
        teller.start()
        await asyncio.sleep(0.01)  # what is said goes out with the next round of the loop
        count = KEPT_EVENTS_MAX * 3
        for number in range(count):
            teller.tell(refusal(number))
        assert len(teller._events) <= KEPT_EVENTS_MAX + BATCH_EVENTS
        assert teller._events[-1].at == count - 1
        assert teller.dropped == count - len(teller._events)
        teller.close()

    run(uvloop.new_event_loop, main)


def test_a_log_that_does_not_read_costs_no_memory(ear):
    async def main():
        teller = Reporter(ear.path, "smtpd")
        teller.start()
        await aside(ear.accept)
        big = Alerted(1, "smtpd", "x" * 2_000)
        for _ in range(20_000):
            teller.tell(big)
        assert teller._link.unsent_bytes < 2 * reporter_module.UNSENT_BYTES_MAX
        assert len(teller._events) <= KEPT_EVENTS_MAX + BATCH_EVENTS
        assert teller.dropped > 0
        teller.close()

    run(uvloop.new_event_loop, main)


def test_an_event_too_long_for_a_frame_is_dropped_alone(ear):
    async def main():
        teller = Reporter(ear.path, "smtpd")
        teller.start()
        await aside(ear.accept)
        for event in (ENDED, Alerted(1, "smtpd", "x" * 5_000_000), ENDED):
            teller.tell(event)
        await until(lambda: not teller._events)
        assert await aside(ear.hear, 2) == [ENDED, ENDED]
        assert teller.dropped == 1
        teller.close()

    run(uvloop.new_event_loop, main)


def test_telling_is_cheap(tmp_path):
    async def main():
        teller = Reporter(str(tmp_path / "nobody"), "smtpd")
        teller.start()
        await asyncio.sleep(0.01)  # what is said goes out with the next round of the loop
        best = 1.0
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(10_000):
                teller.tell(ENDED)
            best = min(best, time.perf_counter() - began)
        assert best / 10_000 < 20e-6  # 0.2 us measured; the bound allows for a loaded machine
        teller.close()

    run(uvloop.new_event_loop, main)


def test_tell_once_without_a_loop(ear):
    assert tell_once(ear.path, "queue", NOTICE)
    assert ear.accept() == Hello("queue", os.getpid())
    assert ear.hear(1) == [NOTICE]


def test_tell_once_while_nobody_listens(tmp_path):
    assert not tell_once(str(tmp_path / "nobody"), "queue", NOTICE)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "deaf"))
    sock.close()
    assert not tell_once(str(tmp_path / "deaf"), "queue", NOTICE)
