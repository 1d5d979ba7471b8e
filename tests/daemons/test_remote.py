import asyncio
import os
import socket
import time

import msgspec
import pytest
import uvloop

from glassmail.core.model.questions import QUESTIONS
from glassmail.daemons import remote as remote_module
from glassmail.daemons.context import Context
from glassmail.daemons.life import Life
from glassmail.daemons.remote import Remote, start
from glassmail.events import codec
from glassmail.net.channel import Channel
from glassmail.net.messages import Deliver, Hello, Job, Settle, Target, Tell, encode
from glassmail.settings.place import Place
from tests.net.fake_dns import FakeDns
from tests.net.fake_smtp import FakeSmtp

HEAD = b"Received: (qmail 1 invoked by uid 0); 1 Jan 2026 00:00:00 -0000\n"
BODY = b"Subject: hi\n\nbody\n"
ZONE = """
one.example. 100 IN MX 10 mx.one.example.
mx.one.example. 100 IN A 127.0.0.1
"""


class Peer:
    """A listening Unix socket that keeps what comes: the queue's or the log's end."""

    def __init__(self, path, kind):
        self.messages = asyncio.Queue()
        self.channel = None
        self._decoder = msgspec.msgpack.Decoder(Hello | kind)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen()
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self):
        peer, _ = self._socket.accept()
        self.channel = Channel(peer, self._frame, lambda _reason: None)

    def _frame(self, payload, _descriptors):
        self.messages.put_nowait(self._decoder.decode(payload))

    def close(self):
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if self.channel is not None:
            self.channel.close()


class Site:
    """A remote process in this loop, with a queue and a log that record."""

    def __init__(self, root, **control):
        self.root = str(root)
        for name in ("control", "run", "queue"):
            os.makedirs(os.path.join(self.root, name), exist_ok=True)
        self.control(me="here.example\n", **control)
        place = Place(self.root)
        self.queue = Peer(place.queue_socket, Settle)
        self.log = Peer(place.log_socket, Tell)
        self.life = Life(Context(place, "remote", 0, {}, True, (), -1))
        self.delivery = 0

    def control(self, **files):
        for name, text in files.items():
            with open(os.path.join(self.root, "control", name), "w") as file:
                file.write(text)

    async def start(self):
        self.remote = Remote(self.life)
        self.remote.start()
        hello = await self.queue.messages.get()
        assert (hello.role, hello.pid) == ("remote", os.getpid())

    def job(self, *addresses, body=BODY, size=None, sender=b"me@here.example"):
        targets = []
        for number, address in enumerate(addresses):
            self.delivery += 1
            targets.append(Target(self.delivery, number, address, address, b"key"))
        size = len(HEAD) + len(body or b"") if size is None else size
        return Job(7, sender, HEAD, body, size, 0, 0, 0, False, tuple(targets))

    def send(self, *jobs, descriptors=()):
        self.queue.channel.send(encode(Deliver(jobs)), descriptors)

    async def results(self, count):
        """Wait for results; return them by delivery number."""
        found = {}
        while len(found) < count:
            settle = await self.queue.messages.get()
            for result in settle.results:
                assert result.delivery not in found
                assert all(step.question in QUESTIONS for step in result.steps)
                found[result.delivery] = result
        return found

    async def deliver(self, *addresses, **options):
        job = self.job(*addresses, **options)
        self.send(job)
        found = await self.results(len(addresses))
        return [found[target.delivery] for target in job.targets]

    async def events(self):
        while not isinstance(tell := await self.log.messages.get(), Tell):
            pass
        return codec.decode(tell.events)

    async def close(self):
        self.remote._end()
        self.queue.close()
        self.log.close()
        while len(self.remote._pool):
            await asyncio.sleep(0)


@pytest.fixture
def run(tmp_path):
    def run(test, **control):
        async def go():
            site = Site(tmp_path, **control)
            await site.start()
            try:
                await asyncio.wait_for(test(site), 10)
            finally:
                await site.close()

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(go())

    return run


def at(server):
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"{host}:{server.port}"


@pytest.mark.covers("control/smtproutes")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_mail_goes_to_the_relay_and_the_result_tells_its_words(run, host):
    async def test(site):
        async with FakeSmtp(host=host) as server:
            site.control(smtproutes=f":{at(server)}\n")
            site.remote._controls.refresh()
            [result] = await site.deliver(b"joe@there.example")
            assert (result.outcome, result.text) == (
                "K",
                host.encode() + b" accepted message.\n"
                b"Remote host said: 250 2.0.0 queued as ABC123\n",
            )
            assert [step.question for step in result.steps] == [
                "remote.route", "remote.connect", "remote.said"
            ]  # fmt: skip
            assert result.steps[0].source == f"control/smtproutes:1 :{at(server)}"
            assert server.messages[0][2] == (HEAD + BODY).replace(b"\n", b"\r\n")
            assert server.commands[0] == b"EHLO here.example"

    run(test)


def test_targets_are_grouped_by_where_they_go(run):
    async def test(site):
        async with FakeSmtp() as relay, FakeSmtp() as other:
            site.control(smtproutes=f":{at(relay)}\nother.example:{at(other)}\nbad.example:x:y\n")
            site.remote._controls.refresh()
            results = await site.deliver(
                b"a@one.example",
                b"b@two.example",
                b"c@other.example",
                b"d@bad.example",
                b"e@ONE.example",
            )
            assert [result.outcome for result in results] == ["K", "K", "K", "Z", "K"]
            assert [len(message[1]) for message in relay.messages] == [3]
            assert [len(message[1]) for message in other.messages] == [1]
            assert results[1].steps[0].subject == b"two.example"
            assert results[3].text == b"Unable to read control files. (#4.3.0)\n"

    run(test)


@pytest.mark.covers("control/dnsserver")
def test_dns_of_control_dnsserver(run):
    async def test(site):
        async with FakeDns(ZONE, {"sick.example": "servfail"}) as dns:
            site.control(dnsserver=f"127.0.0.1:{dns.port}\n")
            site.remote._controls.refresh()
            results = await site.deliver(
                b"a@one.example",
                b"b@nowhere.example",
                b"c@sick.example",
                b"d@[127.0.0.1]",
                b"nobody",
            )
            assert [(result.outcome, result.text[-10:]) for result in results] == [
                ("D", b" (#5.4.6)\n"),
                ("D", b" (#5.1.2)\n"),
                ("Z", b" (#4.4.3)\n"),
                ("D", b" (#5.4.6)\n"),
                ("D", b" (#5.1.2)\n"),
            ]
            assert results[0].steps[1].answer == "10 mx.one.example"
            site.remote._reload()
            await site.deliver(b"a@one.example")
            assert dns.questions.count(("one.example", "MX")) == 2

    run(test)


def test_a_body_behind_a_descriptor(run, tmp_path):
    body = b"x" * 70 + b"\n"
    path = tmp_path / "body"
    path.write_bytes(body * 5000)

    async def test(site):
        async with FakeSmtp() as server:
            site.control(smtproutes=f":{at(server)}\n")
            site.remote._controls.refresh()
            for size, outcome in ((0, "K"), (1, "Z")):  # a body that is too short is not sent
                job = site.job(b"a@x.example", body=None, size=len(HEAD) + len(body) * 5000 + size)
                with open(path, "rb") as file:
                    site.send(job, descriptors=(file.fileno(),))
                    found = await site.results(1)
                assert found[job.targets[0].delivery].outcome == outcome
            assert server.messages[0][2] == (HEAD + body * 5000).replace(b"\n", b"\r\n")
            assert len(server.messages) == 1
            site.send(site.job(b"a@x.example", body=None))  # and one whose descriptor is missing
            [result] = (await site.results(1)).values()
            assert result.text == b"Unable to read message. (#4.3.0)\n"

    run(test)


def test_a_job_cut_before_it_began_leaves_no_descriptor(run, tmp_path):
    (tmp_path / "body").write_bytes(b"x\n")

    async def test(site):
        before = len(os.listdir("/proc/self/fd"))
        with open(tmp_path / "body", "rb") as file:
            job = site.job(b"a@x.example", body=None, size=len(HEAD) + 2)
            site.remote._deliver(Deliver((job,)), (os.dup(file.fileno()),))
            site.remote._queue_gone("for a test")
        while site.remote._tasks:
            await asyncio.sleep(0)
        assert len(os.listdir("/proc/self/fd")) == before

    run(test)


def test_many_jobs_at_once(run):
    async def test(site):
        async with FakeSmtp() as server:
            site.control(smtproutes=f":{at(server)}\n")
            site.remote._controls.refresh()
            site.send(*(site.job(b"u%d@x.example" % n) for n in range(200)))
            found = await site.results(200)
            assert {result.outcome for result in found.values()} == {"K"}
            assert len(server.messages) == 200
            assert not site.remote._tasks

    run(test)


def test_one_message_for_a_thousand(run):
    async def test(site):
        async with FakeSmtp() as server:
            site.control(smtproutes=f":{at(server)}\n")
            site.remote._controls.refresh()
            results = await site.deliver(*(b"u%d@x.example" % n for n in range(1000)))
            assert {result.outcome for result in results} == {"K"}
            assert len(server.messages) == 10

    run(test)


def test_a_fault_of_ours_defers_and_is_told(run):
    async def test(site):
        def broken(_target):
            raise ZeroDivisionError("a fault")

        site.remote._destinations.kept = broken
        [result] = await site.deliver(b"a@x.example")
        assert (result.outcome, result.text) == ("Z", b"qmail-remote crashed.\n")
        [event] = await site.events()
        assert "ZeroDivisionError" in event.text

    run(test)


@pytest.mark.covers("control/helohost", "remote/unreadable_controls")
def test_without_a_name_nothing_is_sent(run):
    async def test(site):
        os.unlink(os.path.join(site.root, "control", "me"))
        site.remote._controls.refresh()
        [result] = await site.deliver(b"a@x.example")
        assert result.text == b"Unable to read control files. (#4.3.0)\n"

    run(test)


@pytest.mark.parametrize("name", ["here.example\r", "two words", "\x1b"])
def test_a_name_that_would_break_the_dialogue_is_not_sent(run, name):
    async def test(site):
        [result] = await site.deliver(b"a@x.example")
        assert result.text == b"Unable to read control files. (#4.3.0)\n"
        assert result.steps[-1].question == "remote.helohost"

    run(test, helohost=name + "\n")


def test_a_broken_setting_keeps_the_last_and_is_told(run):
    async def test(site):
        site.control(dnsserver="nonsense\n")
        site.remote._controls.refresh()
        site.remote._look_at_servers()
        [event] = await site.events()
        assert "control/dnsserver:1" in event.problem

    run(test, dnsserver="127.0.0.1:1\n")


def test_when_the_queue_goes_away_what_is_not_sent_is_cut(run):
    async def test(site):
        # One server has the whole message and keeps silent, the other is still at MAIL.
        async with FakeSmtp({".": ...}) as doubtful, FakeSmtp({"MAIL": ...}) as early:
            site.control(smtproutes=f"a.example:{at(doubtful)}\nb.example:{at(early)}\n")
            site.remote._controls.refresh()
            site.send(site.job(b"u@a.example"), site.job(b"u@b.example"))
            while not (
                [d for d in site.remote._tasks.values() if d.is_critical] and early.commands[1:]
            ):
                await asyncio.sleep(0.001)
            site.queue.channel.close()
            while early.open:
                await asyncio.sleep(0.001)
            hello = await site.queue.messages.get()  # it comes back by itself
            assert isinstance(hello, Hello)
            [session] = doubtful.open
            session.transport.write(b"250 taken\r\n")
            [event] = await site.events()
            assert event.text == (
                "the queue was away when <u@a.example> was settled (K); it will be tried again"
            )
            assert site.queue.messages.empty()  # the new connection never had that delivery
            assert not site.remote._tasks

    run(test)


def test_stopping_waits_for_what_is_under_way(run):
    async def test(site):
        async with FakeSmtp({".": ...}) as server:
            site.control(smtproutes=f":{at(server)}\n")
            site.remote._controls.refresh()
            site.send(site.job(b"u@a.example"))
            while not [d for d in site.remote._tasks.values() if d.is_critical]:
                await asyncio.sleep(0.001)
            site.life.on_stop()
            assert not site.life.ended.is_set()
            [session] = server.open
            session.transport.write(b"250 taken\r\n")
            [result] = (await site.results(1)).values()
            assert result.outcome == "K"
            await site.life.ended.wait()
            assert site.life.exit_code == 0

    run(test)


def test_stopping_with_nothing_to_do_is_immediate(run):
    async def test(site):
        site.life.on_stop()
        assert site.life.ended.is_set()

    run(test)


def test_stopping_does_not_wait_for_ever(run, monkeypatch):
    monkeypatch.setattr(remote_module, "STOP_GRACE_S", 0.0)

    async def test(site):
        async with FakeSmtp({"MAIL": ...}) as server:
            site.control(smtproutes=f":{at(server)}\n")
            site.remote._controls.refresh()
            site.send(site.job(b"u@a.example"))
            while not server.commands[1:]:
                await asyncio.sleep(0.001)
            site.life.on_stop()
            await site.life.ended.wait()

    run(test)


def test_settings_that_cannot_be_read_end_the_start(tmp_path, capfd):
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "dnsserver").write_text("nonsense\n")

    async def go():
        life = Life(Context(Place(str(tmp_path)), "remote", 0, {}, True, (), -1))
        await start(life)
        assert life.exit_code == 111
        assert life.ended.is_set()

    asyncio.run(go())
    assert "control/dnsserver:1" in capfd.readouterr().err


def test_the_clock_is_the_world_s():
    assert abs(remote_module._now() - time.time()) < 2
