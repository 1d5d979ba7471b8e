import asyncio
import os
import signal
import socket
import sys
import time

import pytest
import uvloop

from glassmail.core.formats.listen import Listener
from glassmail.daemons import smtpd, smtpd_connection
from glassmail.daemons.context import Context
from glassmail.daemons.life import Life
from glassmail.daemons.smtpd import SmtpProcess
from glassmail.events.codec import decode, encode
from glassmail.events.smtpd import Refused, SessionEnded
from glassmail.net.messages import Declined
from glassmail.settings.place import Place
from glassmail.stations.client_rules import ClientRules
from glassmail.store.control import Controls
from tests.dialogue import Lines, load_all, parse, run, write_site
from tests.fake_queue import FakeQueue

LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
# The keeper's answers are not to be had here; `no-me` is tested with the session.
WITH_KEEPER = {"checkrecipients", "auth-login", "auth-order", "auth-sqmail", "require-auth"}
DIALOGUES = [d for d in load_all() if d.name not in WITH_KEEPER and d.name != "starttls"]
BIG = b"".join(b"%08d " % n + b"x" * 60 + b"\r\n" for n in range(20_000))
ENVELOPE = b"MAIL FROM:<a@b>\r\nRCPT TO:<joe@here.example>\r\nDATA\r\n"


@pytest.fixture(params=list(LOOPS))
def runner(request):
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as made:
        yield made


def listen(family=socket.AF_INET, address="127.0.0.1"):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind((address, 0))
    sock.listen(128)
    return sock


class Server:
    """A process's worth of SMTP server in the running loop, with a fake queue and no log."""

    def __init__(self, root, dialogue=None, sock=None):
        self.dialogue = dialogue or parse("none", "")
        write_site(self.dialogue, root)
        (root / "run").mkdir()
        self.place = Place(str(root))
        self.queue = FakeQueue(self.place.queue_socket)
        self.sock = sock or listen()
        self.address = self.sock.getsockname()[:2]
        self.family = self.sock.family
        self.events = []

    async def __aenter__(self):
        self.queue.start()
        listener = Listener(self.dialogue.service, *self.address, "control/listen:1")
        context = Context(self.place, "smtpd", 0, {}, True, ((listener, self.sock),), -1)
        self.life = Life(context)
        rules = ClientRules(self.place.tcp_rules, time.monotonic)
        self.process = SmtpProcess(self.life, Controls(self.place.control), rules)
        self.process._reporter.tell = self.events.append
        object.__setattr__(self.process.services, "tell", self.events.append)
        await self.process.start()
        return self

    async def __aexit__(self, *_):
        self.process.stop()
        for connection in list(self.process.connections):
            connection.abort()
        await asyncio.wait_for(self.life.ended.wait(), 12)
        self.queue.stop()
        await asyncio.sleep(0.01)  # for transports to close

    def has_ended(self):
        return bool(self.events) and isinstance(self.events[-1], SessionEnded)

    async def connect(self):
        peer = Peer()
        peer.reader, peer.writer = await asyncio.open_connection(*self.address)
        return peer

    async def until(self, condition):
        for _ in range(3_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not happen")


class Peer:
    """A client."""

    def __init__(self):
        self.lines = Lines()

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def line(self):
        while True:
            line = self.lines._buffer
            if b"\r\n" in line or self.lines.is_closed:
                return self.lines.take()
            try:
                data = await asyncio.wait_for(self.reader.read(65_536), 0.3 if not line else 5)
            except TimeoutError:
                return b"<nothing>"
            except ConnectionError:
                data = b""
            self.lines.is_closed = not data
            self.lines.feed(data)

    async def say(self, data, count=1):
        await self.send(data)
        return [await self.line() for _ in range(count)]

    def close(self):
        self.writer.close()


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda dialogue: dialogue.name)
def test_dialogue(dialogue, tmp_path):
    async def scenario():
        async with Server(tmp_path, dialogue) as server:
            peer = await server.connect()
            await run(dialogue, peer)
            peer.close()
            await server.until(server.has_ended)

    with asyncio.Runner(loop_factory=LOOPS["uvloop"]) as runner:
        runner.run(scenario())


def test_messages(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            peer = await server.connect()
            assert await peer.line() == b"220 mx.example ESMTP"
            assert (await peer.say(b"HELO x\r\n"))[0] == b"250 mx.example"
            for number in (1, 2, 3):
                await peer.say(ENVELOPE, 3)
                line = (await peer.say(b"Subject: x\r\n\r\n%d\r\n.\r\n" % number))[0]
                assert b" qp %d [" % number in line
                assert line.endswith(b"/%d]" % number)
                assert server.queue.bodies[number] == b"Subject: x\n\n%d\n" % number
            assert await peer.say(b"QUIT\r\n", 2) == [b"221 mx.example", b"<eof>"]
            peer.close()
            await server.until(lambda: server.events)
            ended = server.events[0]
            assert (ended.how, ended.accepted, ended.client) == ("quit", 3, "127.0.0.1")
            assert ended.client_port == peer.writer.get_extra_info("sockname")[1]
            assert ended.bytes_in > 100

    runner.run(scenario())


def test_a_long_message(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            peers = [await server.connect() for _ in range(3)]
            for peer in peers:
                await peer.line()
                await peer.say(ENVELOPE, 3)
            answers = await asyncio.gather(*(peer.say(BIG + b".\r\n") for peer in peers))
            assert all(answer[0].startswith(b"250 ok ") for answer in answers)
            stored = BIG.replace(b"\r\n", b"\n")
            assert list(server.queue.bodies.values()) == [stored] * 3
            assert all(message.body is None for message in server.queue.messages)
            for peer in peers:
                peer.close()

    runner.run(scenario())


def test_a_full_disk(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            server.queue.body_path = "/dev/full"
            peer = await server.connect()
            await peer.line()
            await peer.say(ENVELOPE, 3)
            answer = await peer.say(BIG + b".\r\n")
            assert answer[0].startswith(b"452 qq write error or disk full (#4.3.1) [")
            assert await peer.say(b"NOOP\r\n") == [b"250 ok"]
            assert server.queue.taken_back == [1]
            peer.close()

    runner.run(scenario())


def test_the_queue_goes_and_comes_back(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            peer = await server.connect()
            await peer.line()
            await peer.say(ENVELOPE, 3)
            server.queue.is_silent = True
            await peer.send(b"x\r\n.\r\n")
            await asyncio.sleep(0.05)
            server.queue.stop()
            assert (await peer.line()).startswith(b"451 qqt failure (#4.3.0) [")
            assert (await peer.say(ENVELOPE, 3))[2].startswith(b"451 qqt failure (#4.3.0) [")
            second = await server.connect()  # numbers are left: it is greeted
            assert await second.line() == b"220 mx.example ESMTP"
            server.queue.is_silent = False
            server.queue.start()
            await server.until(lambda: server.process.services.queue.is_up)
            await peer.say(ENVELOPE, 3)
            assert (await peer.say(b"x\r\n.\r\n"))[0].startswith(b"250 ok ")
            peer.close()
            second.close()

    runner.run(scenario())


def test_no_queue_at_all(tmp_path, runner, monkeypatch):
    monkeypatch.setattr(smtpd, "FIRST_CODES_S", 0.01)

    async def scenario():
        server = Server(tmp_path)
        server.queue.gives_codes = False
        async with server:
            peer = await server.connect()
            assert await peer.line() == b"421 my queue does not answer (#4.3.0)"
            assert await peer.line() == b"<eof>"
            peer.close()
            assert isinstance(server.events[0], Refused)

    runner.run(scenario())


def test_declined(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            text = b"envelope address too long for qq (#5.1.3)"
            server.queue.decline = Declined(0, "D", 11, text)
            peer = await server.connect()
            await peer.line()
            await peer.say(ENVELOPE, 3)
            answer = await peer.say(b"x\r\n.\r\n")
            assert answer[0].startswith(b"554 envelope address too long for qq (#5.1.3) [")
            peer.close()

    runner.run(scenario())


def test_time_out(tmp_path, runner, monkeypatch):
    monkeypatch.setattr(smtpd, "TICK_S", 0.01)

    async def scenario():
        async with Server(tmp_path) as server:
            peer = await server.connect()
            await peer.line()
            for connection in server.process.connections:
                connection._session._active_at -= 1_201
            assert (await peer.line()).startswith(b"451 timeout (#4.4.2) [")
            assert await peer.line() == b"<eof>"
            peer.close()
            await server.until(server.has_ended)
            assert server.events[-1].how == "timeout"

    runner.run(scenario())


def test_too_many_sessions(tmp_path, runner, monkeypatch):
    monkeypatch.setattr(smtpd_connection, "SESSIONS_MAX", 2)

    async def scenario():
        async with Server(tmp_path) as server:
            peers = [await server.connect() for _ in range(3)]
            lines = [await peer.line() for peer in peers]
            assert sorted(line[:3] for line in lines) == [b"220", b"220", b"421"]
            for peer in peers:
                peer.close()
            await server.until(lambda: not server.process.connections)
            again = await server.connect()
            assert (await again.line()).startswith(b"220")
            again.close()

    runner.run(scenario())


def test_a_client_that_does_not_read(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            peer = await server.connect()
            await peer.line()
            peer.writer.transport.set_write_buffer_limits(high=1 << 30)
            peer.reader._limit = 1  # stop reading
            for _ in range(60):
                peer.writer.write(b"HELP\r\n" * 20_000)
                await asyncio.sleep(0)
            await asyncio.sleep(0.3)
            (connection,) = server.process.connections
            assert connection.is_paused
            assert connection._session._core.has_unread
            assert len(connection._session._core._buffer) < 600_000
            peer.writer.transport.abort()
            await server.until(lambda: not server.process.connections)

    runner.run(scenario())


def test_half_closed_clients_are_answered(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            peer = await server.connect()
            peer.writer.write(ENVELOPE + b"x\r\n.\r\n")
            peer.writer.write_eof()
            lines = [await peer.line() for _ in range(6)]
            assert lines[4].startswith(b"250 ok ")
            assert lines[5] == b"<eof>"
            peer.close()

    runner.run(scenario())


def test_stopping(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            idle, busy = await server.connect(), await server.connect()
            await idle.line()
            await busy.line()
            await busy.say(ENVELOPE, 3)
            server.process.stop()
            assert (await idle.line()).startswith(b"421 this server is stopping (#4.3.2) [")
            assert await idle.line() == b"<eof>"
            with pytest.raises(ConnectionError):
                await server.connect()
            assert not server.life.ended.is_set()
            lines = await busy.say(b"x\r\n.\r\n", 3)
            assert lines[0].startswith(b"250 ok ")
            assert lines[1].startswith(b"421 ")
            assert lines[2] == b"<eof>"
            await asyncio.wait_for(server.life.ended.wait(), 5)
            idle.close()
            busy.close()

    runner.run(scenario())


def test_ipv6_and_mapped_ipv4(tmp_path, runner):
    async def scenario():
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        sock.listen(8)
        port = sock.getsockname()[1]
        async with Server(tmp_path, sock=sock) as server:
            for address in ("127.0.0.1", "::1"):
                server.address = (address, port)
                peer = await server.connect()
                await peer.line()
                await peer.say(b"QUIT\r\n", 2)
                peer.close()
            await server.until(lambda: len(server.events) == 2)
            assert [event.client for event in server.events] == ["127.0.0.1", "::1"]

    if not socket.has_ipv6:
        pytest.skip("this host has no IPv6")
    try:
        listen(socket.AF_INET6, "::1").close()
    except OSError:
        pytest.skip("this host has no ::1")
    runner.run(scenario())


def test_reload(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            (tmp_path / "control" / "me").write_text("new.example\n")
            (tmp_path / "control" / "tcp.smtp").write_text(':allow,DATABYTES="5"\n')
            server.life.hup()
            peer = await server.connect()
            assert await peer.line() == b"220 new.example ESMTP"
            assert b"250-SIZE 5" in await peer.say(b"EHLO x\r\n", 5)
            peer.close()

    runner.run(scenario())


def test_sessions_leave_nothing_behind(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            for _ in range(30):
                peer = await server.connect()
                await peer.line()
                peer.writer.transport.abort()
            await server.until(lambda: len(server.events) == 30)
            assert not server.process.connections

    runner.run(scenario())


@pytest.mark.parametrize("loop", list(LOOPS))
def test_the_process(tmp_path, loop, monkeypatch):
    """The daemon as the supervisor starts it: answers, hears TERM, ends with 0."""
    monkeypatch.setenv("GLASSMAIL_LOOP", loop)
    write_site(parse("none", ""), tmp_path)
    (tmp_path / "run").mkdir()
    sock = listen()
    alive, held = os.pipe()
    pid = os.fork()
    if not pid:  # the daemon; whatever happens, it must not run the rest of the tests
        try:
            os.close(held)
            monkeypatch.setattr(smtpd, "FIRST_CODES_S", 0.01)
            listener = Listener("smtp", "127.0.0.1", 0, "x")
            place = Place(str(tmp_path))
            context = Context(place, "smtpd", 0, {}, True, ((listener, sock),), alive)
            os._exit(smtpd.main(context))
        finally:
            sys.stderr.flush()
            os._exit(99)
    os.close(alive)
    try:
        with socket.create_connection(sock.getsockname(), timeout=10) as client:
            assert client.recv(100) == b"421 my queue does not answer (#4.3.0)\r\n"
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        ended = 0
        while not ended and time.monotonic() < deadline:
            ended, status = os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)
        assert ended
        assert os.waitstatus_to_exitcode(status) == 0
        pid = 0
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(held)
        sock.close()


def test_broken_settings_end_the_start(tmp_path):
    write_site(parse("none", "rule: :maybe\n"), tmp_path)
    context = Context(Place(str(tmp_path)), "smtpd", 0, {}, True, (), -1)
    assert smtpd.main(context) == 111


def test_events_can_be_encoded(tmp_path, runner):
    async def scenario():
        async with Server(tmp_path) as server:
            peer = await server.connect()
            await peer.line()
            await peer.say(b"FOO\r\n")
            peer.close()
            await server.until(lambda: len(server.events) == 2)
            assert decode(encode(server.events)) == server.events

    runner.run(scenario())
