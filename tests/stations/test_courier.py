import asyncio
import os
import socket

import pytest
import uvloop

from glassmail.core.model.outcome import Outcome
from glassmail.core.model.questions import QUESTIONS
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.route.mx import Address
from glassmail.net import smtp_pool
from glassmail.net.smtp_message import OutgoingMessage
from glassmail.net.smtp_pool import SmtpPool
from glassmail.stations.courier import Courier, Errand, Recipient
from glassmail.stations.remote import Plan
from glassmail.store.tcpto import TcpTimeouts
from tests.net.fake_smtp import FakeSmtp

K, Z, D = Outcome.SUCCESS, Outcome.DEFERRAL, Outcome.FAILURE
NOW = 1_800_000_000
TEXT = b"Subject: hello\n\n.dots\nend\n"
WIRE = b"Subject: hello\r\n\r\n..dots\r\nend\r\n"


class Desk:
    """A courier with its pool, and what it settled."""

    def __init__(self, directory):
        self.pool = SmtpPool()
        self.timeouts = TcpTimeouts(str(directory))
        self.timeouts.create()
        self.courier = Courier(self.pool, self.timeouts, lambda: 0, lambda: NOW)
        self.settled = {}

    async def send(self, *places, recipients=(b"joe@there.example",), **options):
        self.settled = {}
        await self.start(*places, recipients=recipients, **options)
        assert set(self.settled) == set(recipients)
        return [self.settled[recipient] for recipient in recipients]

    async def start(
        self, *places, recipients, message=None, sender=b"me@here.example", timeout_s=5.0
    ):
        addresses = tuple(
            Address(place.host, place.port, 0, b"mx.example")
            if isinstance(place, FakeSmtp)
            else Address(*place, 0, b"mx.example")
            for place in places
        )
        plan = Plan(addresses, None, (Step("remote.mx", b"there.example", YES, "DNS"),), 0.0)
        message = message or OutgoingMessage(b"", TEXT, -1, len(TEXT))
        await message.measure()
        wanted = tuple(Recipient(n, address, ()) for n, address in enumerate(recipients))
        errand = Errand(sender, wanted, message, b"here.example", 2.0, timeout_s, self.settle)
        await self.courier.send(plan, errand)
        message.close()
        assert message.in_doubt == 0

    def settle(self, recipient, report):
        assert recipient.address not in self.settled
        assert all(step.question in QUESTIONS for step in report.steps)
        self.settled[recipient.address] = report


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def run(request, tmp_path):
    def run(test):
        async def go():
            desk = Desk(tmp_path)
            try:
                await asyncio.wait_for(test(desk), 10)
            finally:
                desk.pool.close()
                while len(desk.pool):
                    await asyncio.sleep(0)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(go())

    return run


def closed_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_message(run, host):
    async def test(desk):
        async with FakeSmtp(host=host) as server:
            [report] = await desk.send(server)
            assert report.outcome is K
            assert report.text == (
                host.encode()
                + b" accepted message.\nRemote host said: 250 2.0.0 queued as ABC123\n"
            )
            place = f"{host} port {server.port} (mx.example)".encode()
            assert report.steps == (
                ("remote.mx", b"there.example", YES, "DNS"),
                ("remote.connect", place, YES, "a new connection"),
                ("remote.said", b"the message", "250", "250 2.0.0 queued as ABC123"),
            )
            [(sender, recipients, data)] = server.messages
            assert sender == b"MAIL FROM:<me@here.example> SIZE=30"
            assert recipients == [b"RCPT TO:<joe@there.example>"]
            assert data == WIRE

    run(test)


def test_a_connection_is_used_again(run):
    async def test(desk):
        async with FakeSmtp() as server:
            for _ in range(smtp_pool.MESSAGES_PER_CONNECTION + 1):
                [report] = await desk.send(server)
                assert report.outcome is K
            assert server.connections == 2
            assert b"RSET" not in server.commands
            assert server.commands.count(b"QUIT") == 1
            assert report.steps[1].source == "a new connection"
            [report] = await desk.send(server)
            assert report.steps[1].source == "message 2 of this connection"

    run(test)


def test_idle_connections_end_after_two_seconds(run):
    async def test(desk):
        async with FakeSmtp() as server:
            await desk.send(server)
            assert desk.pool.idle_count == 1
            now = asyncio.get_running_loop().time()
            desk.pool.look(now)
            assert desk.pool.idle_count == 1
            desk.pool.look(now + 3)
            assert desk.pool.idle_count == 0
            while server.open:
                await asyncio.sleep(0)
            assert server.commands[-1] == b"QUIT"

    run(test)


def test_the_number_of_idle_connections_is_bounded(run, monkeypatch):
    monkeypatch.setattr(smtp_pool, "IDLE_MAX", 3)

    async def test(desk):
        async with FakeSmtp() as server:
            names = [b"r%d@there.example" % n for n in range(6)]
            await asyncio.gather(*(desk.start(server, recipients=(name,)) for name in names))
            assert [desk.settled[name].outcome for name in names] == [K] * 6
            assert desk.pool.idle_count == 3

    run(test)


@pytest.mark.parametrize("how", ["closed", "talks", "dies at MAIL", "421"])
def test_a_connection_gone_stale_is_replaced(run, how):
    async def test(desk):
        async with FakeSmtp() as server:
            await desk.send(server)
            [session] = server.open
            if how == "closed":
                session.transport.abort()
            elif how == "talks":
                session.transport.write(b"250 stray\r\n")
            else:
                answer = None if how != "421" else "421 closing"
                first = [answer, "250 ok"]
                server.answers["MAIL"] = lambda _line: first.pop(0)
            [report] = await desk.send(server)
            assert report.outcome is K
            assert server.connections == 2
            assert len(server.messages) == 2

    run(test)


def test_the_next_address_is_tried_when_one_refuses_the_connection(run):
    async def test(desk):
        async with FakeSmtp() as server:
            [report] = await desk.send(("127.0.0.1", closed_port()), server)
            assert report.outcome is K
            answers = [(step.question, step.answer) for step in report.steps[1:3]]
            assert answers == [("remote.connect", NO), ("remote.connect", YES)]

    run(test)


@pytest.mark.covers("remote/no_connection")
def test_no_address_takes_a_connection(run):
    async def test(desk):
        [report] = await desk.send(("127.0.0.1", closed_port()), ("::1", closed_port()))
        assert report.outcome is Z
        assert report.text == b"Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"
        assert [step.answer for step in report.steps] == [YES, NO, NO]
        assert desk.timeouts.entries() == []  # refused is not timed out

    run(test)


def test_trouble_after_the_connection_does_not_lead_to_the_next_address(run):
    async def test(desk):
        async with FakeSmtp({"greeting": "421 busy"}) as bad, FakeSmtp() as good:
            [report] = await desk.send(bad, good)
            assert report.text.startswith(b"Connected to 127.0.0.1 but greeting failed.\n")
            assert good.connections == 0

    run(test)


def test_timeouts_of_connections_are_remembered(run, monkeypatch):
    async def never(*_arguments, **_options):
        await asyncio.Event().wait()

    async def test(desk):
        errand_place = ("192.0.2.1", 25)
        desk.timeouts.timed_out("192.0.2.1", NOW - 500)
        real = desk.pool.connect

        async def connect(key, _connect_timeout_s, timeout_s):
            return await real(key, 0.01, timeout_s)

        class Loop:
            create_connection = staticmethod(never)
            time = desk.pool._loop.time

        desk.pool._loop = Loop()
        monkeypatch.setattr(desk.pool, "connect", connect)
        [report] = await desk.send(errand_place)
        assert report.outcome is Z
        assert report.steps[-1].source == "no answer within 0.01 s"
        assert desk.timeouts.entries() == [("192.0.2.1", NOW, 2)]
        [report] = await desk.send(errand_place)
        assert report.steps[-1] == (
            "remote.timed_out", b"192.0.2.1", YES, "2 times, last 0 seconds ago: passed over"
        )  # fmt: skip

    run(test)


def test_a_success_clears_the_count(run):
    async def test(desk):
        async with FakeSmtp() as server:
            desk.timeouts.timed_out("127.0.0.1", NOW - 500)
            [report] = await desk.send(server)
            assert report.outcome is K
            assert desk.timeouts.entries() == []

    run(test)


@pytest.mark.covers("remote/no_resources")
def test_no_descriptors_left(run, monkeypatch):
    async def test(desk):
        class Loop:
            time = desk.pool._loop.time

            async def create_connection(self, *_arguments):
                raise OSError(24, "Too many open files")

        desk.pool._loop = Loop()
        [report] = await desk.send(("127.0.0.1", 25), ("127.0.0.1", 26))
        assert report.text == b"System resources temporarily unavailable. (#4.3.0)\n"

    run(test)


def test_recipients_of_one_message_each_with_its_own_end(run):
    def rcpt(line):
        return "550 no" if b"bad" in line else "451 later" if b"slow" in line else "250 ok"

    async def test(desk):
        async with FakeSmtp({"RCPT": rcpt}) as server:
            names = (b"a@x.example", b"bad@x.example", b"slow@x.example", b"b@x.example")
            reports = await desk.send(server, recipients=names)
            assert [report.outcome for report in reports] == [K, D, Z, K]
            assert len(server.messages) == 1
            assert reports[1].steps[-1] == (
                "remote.said", b"RCPT TO:<bad@x.example>", "550", "550 no"
            )  # fmt: skip

    run(test)


def test_a_thousand_recipients_go_in_transactions_of_a_hundred(run):
    async def test(desk):
        async with FakeSmtp() as server:
            names = tuple(b"r%d@x.example" % n for n in range(1000))
            reports = await desk.send(server, recipients=names)
            assert {report.outcome for report in reports} == {K}
            assert [len(message[1]) for message in server.messages] == [100] * 10
            assert server.connections == 1

    run(test)


def test_too_many_recipients_for_the_server(run):
    async def test(desk):
        async with FakeSmtp() as server:
            server.answers["RCPT"] = lambda _line: (
                "250 ok" if len(next(iter(server.open)).recipients) < 7 else "452 too many"
            )
            names = tuple(b"r%d@x.example" % n for n in range(50))
            reports = await desk.send(server, recipients=names)
            assert {report.outcome for report in reports} == {K}
            taken = [line for message in server.messages for line in message[1]]
            assert sorted(taken) == sorted(b"RCPT TO:<" + name + b">" for name in names)
            assert max(len(message[1]) for message in server.messages) == 7

    run(test)


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)])
def test_a_server_that_hangs_up(run, stage, extensions):
    async def test(desk):
        async with FakeSmtp({stage: None}, extensions) as server:
            [report] = await desk.send(server)
            duplicate = b"Possible duplicate! " if stage == "." else b""
            assert report.outcome is Z
            assert report.text == (
                b"Connected to 127.0.0.1 but connection died. " + duplicate + b"(#4.4.2)\n"
            )
            assert desk.pool.idle_count == 0

    run(test)


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "."])
def test_a_server_that_falls_silent(run, stage):
    async def test(desk):
        async with FakeSmtp({stage: ...}) as server:
            task = asyncio.ensure_future(desk.send(server))
            reached = asyncio.get_running_loop().time() + 5
            while not (
                server.connections if stage in ("greeting", "EHLO") else server.commands[1:]
            ):
                assert asyncio.get_running_loop().time() < reached
                await asyncio.sleep(0.001)
            desk.pool.look(asyncio.get_running_loop().time() + 4)
            assert not task.done()
            await asyncio.sleep(0.01)
            desk.pool.look(asyncio.get_running_loop().time() + 6)
            [report] = await task
            assert report.text.startswith(b"Connected to 127.0.0.1 but connection died.")
            assert report.steps[-1].source == "nothing came for 5 s"

    run(test)


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"greeting": b"220 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n250 f\r\n"}, Z),
        ({"MAIL": "\0\xff garbage"}, D),
        ({"EHLO": "500 no", "HELO": "250 sink"}, K),
        ({".": "250-" + "x" * 100_000 + "\r\n250 ok"}, K),
        ({"RCPT": b"250-x\r\n" * 200_000}, Z),
        ({"DATA": "354 go\r\n250 taken"}, Z),
        ({".": "250 taken\r\n250 again"}, K),
    ],
)
def test_odd_and_hostile_answers(run, answers, outcome):
    async def test(desk):
        async with FakeSmtp(answers) as server:
            [report] = await desk.send(server)
            assert report.outcome is outcome
            assert len(report.text) < 5_200

    run(test)


def _large(tmp_path, size=3_000_000, end=b"\n"):
    line = b"." + b"x" * 70 + b"\n"
    path = tmp_path / "body"
    path.write_bytes((line * (size // len(line) + 1))[: size - 1] + end)
    return OutgoingMessage(b"Head: 1\n\n", None, os.open(path, os.O_RDONLY), size + 9), path


def test_a_large_body_is_streamed(run, tmp_path):
    async def test(desk):
        async with FakeSmtp() as server:
            message, path = _large(tmp_path)
            names = (b"a@x.example", b"b@x.example")
            reports = await desk.send(server, recipients=names, message=message)
            assert {report.outcome for report in reports} == {K}
            [(sender, _recipients, data)] = server.messages
            text = b"Head: 1\n\n" + path.read_bytes()
            lines = data.split(b"\r\n")
            back = b"\n".join(line[1:] if line.startswith(b".") else line for line in lines)
            assert back == text
            assert b"SIZE=%d" % (len(text) + text.count(b"\n")) in sender

    run(test)


def test_a_large_body_for_a_server_that_does_not_read(run, tmp_path):
    async def test(desk):
        async with FakeSmtp() as server:
            message, _path = _large(tmp_path, 30_000_000)
            server.answers["DATA"] = lambda _line: (
                next(iter(server.open)).transport.pause_reading() or "354 go"
            )
            task = asyncio.ensure_future(desk.send(server, message=message))
            while b"DATA" not in server.commands:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            [connection] = desk.pool._keys
            assert connection._transport.get_write_buffer_size() < 1_000_000
            desk.pool.look(asyncio.get_running_loop().time() + 60)
            [report] = await task
            assert report.text == b"Connected to 127.0.0.1 but connection died. (#4.4.2)\n"
            assert server.messages == []

    run(test)


def test_a_server_that_refuses_in_the_middle_of_a_large_body(run, tmp_path):
    async def test(desk):
        async with FakeSmtp() as server:
            message, _path = _large(tmp_path, 30_000_000)
            server.answers["DATA"] = lambda _line: "354 go\r\n552 too big"
            [report] = await desk.send(server, message=message)
            assert report.outcome in (D, Z)
            assert server.messages == []

    run(test)


@pytest.mark.covers("remote/unreadable_message")
def test_a_body_that_shrinks_is_not_sent_as_if_whole(run, tmp_path):
    async def test(desk):
        async with FakeSmtp() as server:
            message, path = _large(tmp_path)
            server.answers["DATA"] = lambda _line: os.truncate(path, 200_000) or "354 go"
            [report] = await desk.send(server, message=message)
            assert report.outcome is Z
            assert report.text == b"Unable to read message. (#4.3.0)\n"
            assert server.messages == []

    run(test)


@pytest.mark.covers("remote/partial_line")
def test_what_smtp_cannot_carry(run, tmp_path):
    async def test(desk):
        async with FakeSmtp() as server:
            partial = OutgoingMessage(b"a\n", b"no end", -1, 0)
            [report] = await desk.send(server, message=partial)
            assert report.outcome is D
            assert report.text == (
                b"SMTP cannot transfer messages with partial final lines. (#5.6.2)\n"
            )
            message, _path = _large(tmp_path, end=b"x")
            [report] = await desk.send(server, message=message)
            assert b"partial final lines" in report.text
            [report] = await desk.send(server, sender=b"a\nRCPT TO:<b@c>@x.example")
            assert (report.outcome, b"#5.1.7" in report.text) == (D, True)
            bad = b"a\r\nDATA\r\n@x.example"
            reports = await desk.send(server, recipients=(b"good@x.example", bad))
            assert [report.outcome for report in reports] == [K, D]
            assert server.connections == 1
            assert len(server.messages) == 1

    run(test)


def test_a_cancelled_delivery_cuts_its_connection(run):
    async def test(desk):
        async with FakeSmtp({"MAIL": ...}) as server:
            task = asyncio.ensure_future(desk.send(server))
            while len(server.commands) < 2:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while server.open:
                await asyncio.sleep(0.001)
            assert len(desk.pool) == 0

    run(test)


@pytest.mark.covers("remote/bad_sender", "remote/bad_recipient")
def test_addresses_that_no_line_of_smtp_can_hold(run):
    async def test(desk):
        async with FakeSmtp() as there:
            (report,) = await desk.send(there, sender=b"a\r\nRCPT TO:<x@y>\n@here.example")
            assert report.outcome is D
            assert report.text == (
                b"Sorry, I can't send the envelope sender's address by SMTP. (#5.1.7)\n"
            )
            bad, good = b"joe\r\n@there.example", b"joe@there.example"
            reports = await desk.send(there, recipients=(bad, good))
            assert [report.outcome for report in reports] == [D, K]
            assert reports[0].text == b"Sorry, I can't send to that address by SMTP. (#5.1.3)\n"
            assert [sent[1] for sent in there.messages] == [[b"RCPT TO:<joe@there.example>"]]

    run(test)
