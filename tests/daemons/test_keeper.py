"""The keeper over a real socket."""

import asyncio
import os
import socket
import threading

import msgspec
import pytest

from glassmail.daemons import keeper
from glassmail.daemons.context import Context
from glassmail.daemons.keeper import Allowance, Answers, KeeperServer
from glassmail.daemons.keeper_logins import Logins
from glassmail.net.blocking import connect, frame
from glassmail.net.messages import Failed, Found, Hello, Lookup, encode
from glassmail.net.reporter import Reporter
from glassmail.stations.resolve import sources_of
from glassmail.store.control import Controls
from tests.admin.site import make

DECODE = msgspec.msgpack.Decoder(Found | Failed).decode


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make(tmp_path_factory.mktemp("keeper"))


@pytest.fixture
def context(place):
    reading, writing = os.pipe()
    ids = (os.geteuid(), os.getegid())
    yield Context(place, "keeper", 0, {"smtpd": ids, "keeper": ids}, True, (), reading)
    os.close(reading)
    os.close(writing)


class Keeper:
    """A keeper in a thread with a loop of its own."""

    def __init__(self, context):
        self.context = context
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))

    async def _live(self):
        self.loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        place = self.context.place
        controls, users = Controls(place.control), sources_of(place)
        self.answers = Answers(controls, users)
        logins = Logins(controls, users, lambda: self.answers.tables, place.root)
        reporter = Reporter(place.log_socket, "keeper")
        server = KeeperServer(self.context, self.answers, reporter, logins)
        server.listen()
        self._ready.set()
        await self._end.wait()
        server.close()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_error):
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


def ask(channel, *recipients):
    for ref, recipient in enumerate(recipients, 1):
        channel.send(encode(Lookup(ref, recipient)))
    found = [DECODE(channel.receive()[0]) for _ in recipients]
    assert [message.ref for message in found] == list(range(1, len(recipients) + 1))
    return [message.answer for message in found]


def test_lookups_over_the_socket(context, place):
    with Keeper(context):
        channel = connect(place.keeper_socket)
        channel.send(encode(Hello("smtpd", os.getpid())))
        answers = ask(channel, b"tammy@example.test", b"nobody@example.test", b"x@other.test")
        assert answers == ["yes", "no", "yes"]
        channel.close()


def test_a_new_mailbox_is_seen_after_a_second_at_most(context, place):
    settings = Controls(place.control)
    answers = Answers(settings, sources_of(place))
    path = os.path.join(place.alias, ".qmail-new")
    assert answers.exists(b"new@mx.example.test", 100.0).answer == "no"
    with open(path, "wb") as file:
        file.write(b"x@y.test\n")
    assert answers.exists(b"new@mx.example.test", 100.9).answer == "no"
    assert answers.exists(b"new@mx.example.test", 101.0).answer == "yes"


def test_kept_answers_are_bounded(place, monkeypatch):
    monkeypatch.setattr(keeper, "ANSWERS_KEPT_MAX", 3)
    answers = Answers(Controls(place.control), sources_of(place))
    for number in range(10):
        answers.exists(b"%d@other.test" % number, 1.0)
    assert len(answers._kept) <= 3


def test_routing_tables_change_at_reload_only(tmp_path):
    place = make(tmp_path)
    answers = Answers(Controls(place.control), sources_of(place))
    with open(os.path.join(place.control, "locals"), "ab") as file:
        file.write(b"new.test\n")
    assert answers.exists(b"nobody-here@new.test", 1.0).answer == "yes"  # another server's
    answers.reload()
    assert answers.exists(b"nobody-here@new.test", 1.0).answer == "no"


def test_too_many_questions_are_cannot_tell(context, place, monkeypatch):
    monkeypatch.setattr(keeper, "LOOKUPS_A_SECOND_MAX", 2)
    with Keeper(context):
        channel = connect(place.keeper_socket)
        answers = ask(channel, *[b"nobody@example.test"] * 3)
        assert answers == ["no", "no", "cannot tell"]
        channel.close()


def test_an_allowance_is_full_again_after_a_second():
    allowance = Allowance(2, 5.0)
    assert [allowance.take(5.5) for _ in range(3)] == [True, True, False]
    assert allowance.take(6.0)


@pytest.mark.parametrize("payload", [b"", b"\xc1", msgspec.msgpack.encode(["request", 1, "x", {}])])
def test_foreign_bytes_close_the_connection(context, place, payload):
    with Keeper(context):
        channel = connect(place.keeper_socket)
        channel.sock.sendall(frame(payload))
        assert channel.receive() is None
        channel.close()
        other = connect(place.keeper_socket)
        assert ask(other, b"tammy@example.test") == ["yes"]
        other.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can come as another user")
def test_strangers_are_refused(context, place):
    with Keeper(context):
        # The child comes as uid 65534; the site lies below a directory of mode 0700, so it is
        # handed a descriptor's path instead of ROOT's.
        run = os.open(os.path.dirname(place.keeper_socket), os.O_PATH)
        child = os.fork()
        if not child:
            code = 1
            try:
                os.fchdir(run)
                os.setresuid(65_534, 65_534, 65_534)
                sock = socket.socket(socket.AF_UNIX)
                sock.connect("keeper.sock")
                data = sock.recv(4_096)
                code = 0 if b"uid 65534 may not ask the keeper" in data else 2
            finally:
                os._exit(code)
        os.close(run)
        assert os.waitpid(child, 0)[1] == 0


