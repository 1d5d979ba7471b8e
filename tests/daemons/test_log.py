"""The log process over its real socket, in a temporary directory, on both loops."""

import os
import signal
import tempfile
import time

import msgspec
import pytest

from glassmail.daemons.context import Context
from glassmail.daemons.life import LOOP_VARIABLE
from glassmail.daemons.log import keeping, main
from glassmail.daemons.supervisor.child import fork_child
from glassmail.events import codec
from glassmail.events.case import Case, Found, Query
from glassmail.events.process import ChildStarted
from glassmail.explain.why import CannotTellError, ask_history
from glassmail.net.blocking import connect
from glassmail.net.messages import Facts, FactsKept, Failed, Hello, Request, Rows, Tell, encode
from glassmail.net.unix_listener import listen_unix
from glassmail.settings.place import Place
from tests.forked import as_nobody
from tests.store.history.story import MS, delivered, refused, session_ended

ANSWERS = msgspec.msgpack.Decoder(FactsKept | Rows | Failed)
WAIT_S = 8.0
STORE = 99


class Peer:
    def __init__(self, place, role):
        self.channel = connect(place.log_socket, WAIT_S)
        self.send(Hello(role, os.getpid()))

    def send(self, message):
        self.channel.send(encode(message))

    def receive(self):
        frame = self.channel.receive()
        return None if frame is None else ANSWERS.decode(frame[0])

    def close(self):
        self.channel.close()


class LogSite:
    """A site that has nothing but a log process."""

    def __init__(self, root):
        self.place = Place(str(root))
        for name in ("control", "run"):
            os.makedirs(self.place.path(name))
        self.peers = []
        self.pid = 0
        self.start()

    def start(self, **uids):
        me = (os.getuid(), os.getgid())
        self.death_read, self.death_write = os.pipe()
        sock = listen_unix(self.place.log_socket)
        roles = dict.fromkeys(("smtpd", "queue", "log"), me) | uids
        context = Context(self.place, "log", 0, roles, True, (), self.death_read, sock)
        self.pid = fork_child(context, main, [self.death_write])
        sock.close()

    def peer(self, role):
        self.peers.append(Peer(self.place, role))
        return self.peers[-1]

    def end(self, number=signal.SIGTERM):
        for peer in self.peers:
            peer.close()
        self.peers.clear()
        os.kill(self.pid, number)
        _pid, status = os.waitpid(self.pid, 0)
        os.close(self.death_read)
        os.close(self.death_write)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def text(self, name):
        with open(os.path.join(self.place.log, name, "current"), "rb") as file:
            return [line[26:] for line in file.read().splitlines()]

    def close(self):
        if self.pid:
            self.end(signal.SIGKILL)


@pytest.fixture(params=["uvloop", "asyncio"])
def site(tmp_path, request, monkeypatch):
    monkeypatch.setenv(LOOP_VARIABLE, request.param)
    monkeypatch.setattr(keeping, "COMMIT_S", 0.05)  # the child inherits it
    site = LogSite(tmp_path / "site")
    yield site
    site.close()


def facts(*batches, first=1, store=STORE):
    rows = [(first + n, codec.encode(batch)) for n, batch in enumerate(batches)]
    return Facts(tuple(rows), store)


def find(site, *kinds, **more):
    return ask_history(site.place, Query(kinds, **more))


def test_facts_are_confirmed_when_they_are_durable_and_can_be_asked_for(site):
    now = time.time_ns()
    queue = site.peer("queue")
    queue.send(facts(delivered(now, 5, code=1000), delivered(now, 6)))
    while (kept := queue.receive()).last < 2:
        pass
    assert kept == FactsKept(2)
    found, cases = find(site, "message", number=5)
    assert (found.count, cases[0].message) == (1, 5)
    assert site.end() == 0
    assert [line for line in site.text("send") if line.startswith((b"new", b"end"))] == [
        b"new msg 5",
        b"end msg 5",
        b"new msg 6",
        b"end msg 6",
    ]
    # the server is down: the files answer the same
    assert find(site, "message", number=5)[1] == cases


def test_an_answer_needs_no_wait_for_the_next_commit(site):
    now = time.time_ns()
    smtpd = site.peer("smtpd")
    smtpd.send(Tell(codec.encode([refused(now, code=1000)])))
    for _ in range(200):  # the event and the question come over two connections
        found, cases = find(site, "code", number=1000)
        if cases:
            break
        time.sleep(0.005)
    assert found.count == 1
    smtpd.send(Tell(codec.encode([session_ended(now + MS, code=1000), ChildStarted(now, "x", 7)])))
    assert site.end() == 0
    assert [line.split()[0] for line in site.text("smtpd")] == [b"refused", b"session"]
    assert site.text("serve") == [b"x started as process 7"]


def test_repeats_are_confirmed_and_not_told_twice(site):
    now = time.time_ns()
    batches = [delivered(now, n) for n in (5, 6, 7)]
    queue = site.peer("queue")
    queue.send(facts(*batches[:2]))
    while queue.receive().last < 2:
        pass
    queue.close()
    queue = site.peer("queue")
    queue.send(facts(*batches))
    while queue.receive().last < 3:
        pass
    assert site.end() == 0
    assert sum(line == b"new msg 6" for line in site.text("send")) == 1
    assert len(codec.decode(find(site, "message", number=6)[1][0].events)) == 4


def test_a_restart_goes_on_where_the_history_stands(site):
    now = time.time_ns()
    queue = site.peer("queue")
    queue.send(facts(delivered(now, 5), delivered(now, 6)))
    while queue.receive().last < 2:
        pass
    site.end(signal.SIGKILL)
    site.start()
    queue = site.peer("queue")
    queue.send(facts(delivered(now, 5), delivered(now, 6)))
    while (kept := queue.receive()).last < 2:
        pass
    assert kept.last == 2
    queue.send(facts(delivered(now, 7), first=3))
    while queue.receive().last < 3:
        pass
    _found, cases = find(site, "address", text="joe@here.test")
    assert [case.message for case in cases] == [7, 6, 5]
    names = os.listdir(os.path.join(site.place.log, "send"))
    assert any(name.endswith(".u") for name in names)  # the killed writer's file


def test_another_queue_store_begins_anew(site):
    now = time.time_ns()
    queue = site.peer("queue")
    queue.send(facts(delivered(now, 5), delivered(now, 6)))
    while queue.receive().last < 2:
        pass
    queue.send(facts(delivered(now, 1), store=STORE + 1))
    while queue.receive().last != 1:
        pass
    assert find(site, "message", number=1)[0].count == 1


def test_damaged_facts_hold_nothing_up(site):
    now = time.time_ns()
    queue = site.peer("queue")
    queue.send(Facts(((1, b"garbage"), (2, codec.encode(delivered(now, 5)))), STORE))
    while queue.receive().last < 2:
        pass
    found, _cases = find(site, "message", number=5)
    assert found.count == 1
    assert "damaged" in found.coverage.losses[0][1]


def test_who_sends_nonsense_is_hung_up_on(site):
    for message in (Tell(b"garbage"), Facts((), STORE)):
        peer = site.peer("smtpd")
        peer.send(message)
        answer = peer.receive()
        assert answer is None or (isinstance(answer, Failed) and peer.receive() is None)
    for message in (Facts(((2**63, b""),), STORE), Facts((), 2**63), Facts(((-1, b""),), STORE)):
        peer = site.peer("queue")
        peer.send(message)
        assert peer.receive() is None
    peer = site.peer("client")
    peer.channel.send(b"\xff\xff")
    assert peer.receive() is None


def test_a_question_nobody_knows(site):
    client = site.peer("client")
    client.send(Request(3, "sing", {}))
    assert client.receive() == Failed(3, 2, "the log knows no sing")
    client.send(Request(4, "why", {"kinds": ["colour"]}))
    answer = client.receive()
    assert (answer.ref, answer.exit) == (4, 2)


def test_a_long_answer_comes_in_parts(site):
    now = time.time_ns()
    recipients = tuple(b"%d@%b.test" % (n, b"x" * 200) for n in range(300))
    queue = site.peer("queue")
    queue.send(facts(*(delivered(now + n, n, recipients=recipients) for n in range(1, 41))))
    while queue.receive().last < 40:
        pass
    client = site.peer("client")
    client.send(
        Request(1, "why", {"kinds": ["address"], "text": recipients[0].decode(), "most": 40})
    )
    rows, frames = [], 0
    while True:
        answer = client.receive()
        frames += 1
        rows += answer.rows
        if not answer.more:
            break
    assert frames > 1
    assert msgspec.json.decode(rows[0], type=Found).count == 40
    assert len([msgspec.json.decode(row, type=Case) for row in rows[1:]]) == 40


def test_the_last_events_before_the_end_are_waited_for(site):
    now = time.time_ns()
    queue = site.peer("queue")
    queue.send(facts(delivered(now, 5)))
    while queue.receive().last < 1:
        pass
    os.kill(site.pid, signal.SIGTERM)
    queue.send(facts(delivered(now, 6), first=2))
    assert site.end() == 0
    assert b"end msg 6" in site.text("send")
    assert find(site, "message", number=6)[0].count == 1


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
def test_a_stranger_may_neither_tell_nor_ask(monkeypatch):
    monkeypatch.setattr(keeping, "COMMIT_S", 0.05)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as root:
        os.chmod(root, 0o755)
        site = LogSite(os.path.join(root, "site"))
        os.chmod(site.place.path("run"), 0o755)
        try:
            assert as_nobody(lambda: _stranger(site)) == 0
            assert find(site, "code", number=1000)[0].count == 0
        finally:
            site.close()


def _stranger(site):
    for role, message in (
        ("smtpd", None),
        ("client", Tell(codec.encode([refused(1, code=1000)]))),
        ("client", facts(delivered(1, 5))),
    ):
        peer = Peer(site.place, role)
        if message is not None:
            peer.send(message)
        answer = peer.receive()
        assert isinstance(answer, Failed), answer
        assert peer.receive() is None
        peer.close()
    with pytest.raises(CannotTellError, match="members of group glass"):
        find(site, "code", number=1000)


def test_without_a_server_and_without_a_history(tmp_path):
    place = Place(str(tmp_path / "nothing"))
    with pytest.raises(CannotTellError, match="no such site"):
        ask_history(place, Query(("message",), number=1))
    os.makedirs(place.root)  # a directory that holds no site
    with pytest.raises(CannotTellError, match="no such site"):
        ask_history(place, Query(("message",), number=1))
    os.makedirs(place.control)
    found, cases = ask_history(place, Query(("message",), number=1))
    assert (found.count, cases) == (0, [])


def test_a_second_log_process_does_not_start(site, capfd):
    queue = site.peer("queue")
    queue.send(facts(delivered(time.time_ns(), 5)))
    while queue.receive().last < 1:
        pass
    other = LogSite.__new__(LogSite)
    other.place, other.peers = site.place, []
    other.start()
    _pid, status = os.waitpid(other.pid, 0)
    os.close(other.death_read)
    os.close(other.death_write)
    assert os.waitstatus_to_exitcode(status) == 111
    assert "another process writes to this log" in capfd.readouterr().err
