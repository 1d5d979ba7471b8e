"""The gate with processes of the SMTP server and people around it."""

import asyncio
import json
import os
import time

import msgspec
import pytest

from glassmail.core.model.networks import parse
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.schedule.gate_book import GateBook
from glassmail.daemons import gate_peer
from glassmail.daemons.context import Context
from glassmail.daemons.gate import GateProcess
from glassmail.daemons.gate_keeping import GateKeeping
from glassmail.daemons.life import Life
from glassmail.events.gate import AccountHeld, NetworkBlocked, NetworkFreed
from glassmail.net import gate_client
from glassmail.net.gate_client import GateClient
from glassmail.net.messages import Failed, Hello, Request, Rows, encode
from glassmail.net.unix_listener import listen_unix
from glassmail.settings.place import Place
from glassmail.store import gate_state
from glassmail.store.control import Controls
from tests.fake_queue import FakeQueue

pytestmark = pytest.mark.covers(
    "control/maxbadlogins", "control/maxbadrecipients", "control/maxaccountrecipients",
    "control/blockseconds",
)  # fmt: skip
IP, OTHER = b"192.0.2.1", b"192.0.2.9"
DECODER = msgspec.msgpack.Decoder(Rows | Failed)


class Site:
    """A gate in the running loop."""

    def __init__(self, root, **controls):
        for name in ("control", "run", "gate"):
            (root / name).mkdir(exist_ok=True)
        for name, value in {"me": "mx.example", **controls}.items():
            (root / "control" / name).write_text(f"{value}\n")
        self.place = Place(str(root))
        self.events = []
        self.clients = []

    async def __aenter__(self):
        self.life = Life(Context(self.place, "gate", 0, {}, True, (), -1))
        self.gate = GateProcess(self.life, Controls(self.place.control))
        self.gate._reporter.tell = self.gate._orders._tell = self.events.append
        self.gate.start(listen_unix(self.place.gate_socket))
        return self

    async def __aexit__(self, *_):
        for client in self.clients:
            client.close()
        self.gate._stop()
        await asyncio.sleep(0)

    def server(self):
        client = GateClient(self.place.gate_socket, "smtpd")
        client.start()
        self.clients.append(client)
        return client

    async def ask(self, verb, count=1, **arguments):
        """Ask as `glass` does; return the answers."""
        reader, writer = await asyncio.open_unix_connection(self.place.gate_socket)
        for message in (Hello("client", 1), Request(1, verb, arguments)):
            data = encode(message)
            writer.write(len(data).to_bytes(4, "big") + b"\0" + data)
        answers = []
        while len(answers) < count:
            head = await asyncio.wait_for(reader.readexactly(5), 5)
            answers.append(DECODER.decode(await reader.readexactly(int.from_bytes(head[:4]))))
        writer.close()
        return answers

    async def rows(self, verb, **arguments):
        (answer,) = await self.ask(verb, **arguments)
        assert isinstance(answer, Rows), answer
        return [json.loads(row) for row in answer.rows]

    async def until(self, condition):
        for _ in range(2_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError("it did not happen")


def scenario(test):
    """Run a coroutine test."""

    def run(tmp_path):
        asyncio.run(test(tmp_path))

    run.__name__ = test.__name__
    return run


@scenario
async def test_connections_of_all_processes(tmp_path):
    async with Site(tmp_path) as site:
        one, two = site.server(), site.server()
        for number, client in enumerate((one, two, one)):
            client.enter(IP, number)
            counts = await client.connections(IP, number)
            assert counts[:4] == (YES, number + 1, number + 1, number + 1)
        one.enter(OTHER, 7)
        assert (await one.connections(OTHER, 7))[:4] == (YES, 1, 4, 4)
        left = []
        one.leave(IP, 0, left.append)
        await site.until(lambda: left == [3])
        one.close()  # a process that dies leaves no connections behind
        await site.until(lambda: site.gate.book.total == 1)
        assert (await site.rows("counts", client="192.0.2.1")) == [
            {"address": 1, "network": 1, "total": 1, "block": None}
        ]


@pytest.mark.covers("control/maxconnects")
@scenario
async def test_the_only_process_counts_by_itself(tmp_path):
    async with Site(tmp_path, maxconnects=3) as site:
        one = site.server()
        await site.until(lambda: one._is_alone)
        for number in range(1, 4):
            one.enter(IP, number)
            counting = one.connections(IP, number)
            with pytest.raises(StopIteration) as stop:
                counting.send(None)  # it need not wait
            assert stop.value.value[:4] == (YES, number, number, number)
        left = []
        one.leave(IP, 1, left.append)
        assert left == [2]
        await site.until(lambda: site.gate.book.total == 2)
        one.enter(IP, 4)
        two = site.server()  # whoever comes then is counted with all of these
        await site.until(lambda: not one._is_alone)
        two.enter(OTHER, 1)
        assert (await two.connections(OTHER, 1))[:4] == (YES, 1, 4, 4)
        one.enter(IP, 5)
        assert (await one.connections(IP, 5))[:4] == (YES, 4, 5, 5)
        await site.until(lambda: two.has_blocks)  # maxconnects: 5 of 3
        two.close()
        await site.until(lambda: one._is_alone)
        one.enter(IP, 6)
        assert (await one.connections(IP, 6))[:4] == (YES, 5, 5, 5)
        for number in (2, 3, 4, 5, 6):
            one.leave(IP, number)
        await site.until(lambda: site.gate.book.total == 0)


@scenario
async def test_processes_share_a_limit(tmp_path):
    limits = (8, -1, -1)  # a process's share is two
    async with Site(tmp_path) as site:
        one, two = site.server(), site.server()
        await site.until(lambda: one._shares.servers == two._shares.servers == 2)
        for number in (1, 2):
            one.enter(IP, number, limits)
            assert not one.counted_later(IP, number, lambda: None)
            counts = await one.connections(IP, number)
            assert counts == (YES, number, number, number, "in one of 2 processes")
        two.enter(IP, 3, limits)
        assert (await two.connections(IP, 3)).address == 1
        one.enter(IP, 4, limits)  # beyond its share: it asks, and then everybody does
        await one.connections(IP, 4)
        two.enter(IP, 5, limits)
        assert (await two.connections(IP, 5))[:4] == (YES, 5, 5, 5)
        one.leave(IP, 1)
        one.leave(IP, 2)
        two.leave(IP, 5)
        await site.until(lambda: not two._shares._crowded)
        two.enter(IP, 6, limits)
        assert (await two.connections(IP, 6)).detail
        await site.until(lambda: site.gate.book.total == 3)
        three = site.server()
        await site.until(lambda: one._shares.servers == 3)
        three.close()
        two.close()
        await site.until(lambda: site.gate.book.total == 1)


def test_too_many_questions_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(gate_client, "QUESTIONS_MAX", 0)
    asyncio.run(nobody_is_asked(tmp_path))


async def nobody_is_asked(tmp_path):
    async with Site(tmp_path) as site:
        one, _two = site.server(), site.server()
        await site.until(lambda: one._shares.servers == 2)
        one.enter(IP, 1)
        assert (await one.connections(IP, 1)).answer == UNKNOWN
        await site.until(lambda: site.gate.book.total == 1)
        left = []
        one.leave(IP, 1, left.append)
        assert left == [0]
        await site.until(lambda: site.gate.book.total == 0)


@scenario
async def test_clients_of_one_port_are_told_apart(tmp_path):
    """Clients behind proxies may have the same address and port; a rule can make them so."""
    async with Site(tmp_path) as site:
        one, _two = site.server(), site.server()
        await site.until(lambda: one._shares.servers == 2)
        done = []
        for _ in range(3):
            one.enter(IP, 1)
            assert one.counted_later(IP, 1, lambda: done.append(one._entries[IP, 1].address))
        await site.until(lambda: done == [1, 2, 3])
        assert not one._entries


@scenario
async def test_a_gate_that_comes_back_learns_who_is_there(tmp_path):
    async with Site(tmp_path) as site:
        server = site.server()
        server.enter(IP, 1)
        await server.connections(IP, 1)
        site.clients = []
    await site.until(lambda: not server._link.is_up)
    assert (await server.connections(IP, 1)).answer == UNKNOWN
    server.enter(OTHER, 2)
    assert (await server.connections(OTHER, 2)).answer == UNKNOWN
    async with Site(tmp_path) as site:
        site.clients = [server]
        await site.until(lambda: site.gate.book.total == 2)
        server.leave(IP, 1)
        await site.until(lambda: site.gate.book.total == 1)


@scenario
async def test_a_limit_shuts_a_client_out_of_every_process(tmp_path):
    async with Site(tmp_path, maxbadrecipients=3, blockseconds=60) as site:
        one, two = site.server(), site.server()
        for _ in range(4):
            one.happened("bad_recipient", IP)
        await site.until(lambda: two.has_blocks)
        network, reason = two.block_of(IP)
        assert (network, reason) == ("192.0.2.1", "more than 3 unknown recipients within a minute")
        assert two.block_of(OTHER) is None
        assert two.block_of(b"unknown") is None
        event = next(event for event in site.events if isinstance(event, NetworkBlocked))
        assert (event.network, event.seconds, event.uid) == ("192.0.2.1", 60, -1)
        late = site.server()
        await site.until(lambda: late.has_blocks)
        row = (await site.rows("blocks"))[0]
        assert (row["client"], row["by"], row["refuses"]) == ("192.0.2.1", "limit", "everything")
        await site.rows("unblock", client="192.0.2.1")
        await site.until(lambda: not one.has_blocks)
        assert isinstance(site.events[-1], NetworkFreed)


@scenario
async def test_by_hand_and_after_a_restart(tmp_path):
    async with Site(tmp_path) as site:
        server = site.server()
        row = (await site.rows("block", client="192.0.2.0/24", seconds=60, reason="x"))[0]
        assert row["client"] == "192.0.2.0/24"
        await site.until(lambda: server.block_of(IP) == ("192.0.2.0/24", "x"))
        site.gate.book.block(site.gate.book.blocks.values()[0].network, 1.0, "over", 0.0)
        await site.rows("block", client="2001:db8::/32", seconds=60)
    async with Site(tmp_path) as site:
        rows = await site.rows("blocks")
        assert [row["client"] for row in rows] == ["2001:db8::/32"]
        assert rows[0]["by"] == "hand"


@pytest.mark.parametrize(
    ("verb", "arguments", "code"),
    [
        ("block", {"client": "x", "seconds": 1}, 2),
        ("block", {"client": "1.2.3.4", "seconds": 0}, 2),
        ("block", {"client": "1.2.3.4"}, 2),
        ("unblock", {"client": "1.2.3.4"}, 1),
        ("unblock", {"client": "nobody@here.test"}, 1),
        ("tap", {"who": "1.2.3"}, 2),
        ("counts", {"client": ""}, 2),
        ("dance", {}, 2),
    ],
)
def test_what_cannot_be_done(tmp_path, verb, arguments, code):
    async def go():
        async with Site(tmp_path) as site:
            (answer,) = await site.ask(verb, **arguments)
            assert isinstance(answer, Failed)
            assert answer.exit == code

    asyncio.run(go())


@scenario
async def test_logins(tmp_path):
    async with Site(tmp_path, maxbadlogins=3) as site:
        server = site.server()
        answers = [(await server.may_log_in(IP, b"joe")).answer for _ in range(3)]
        (row,) = await site.rows("counts", client="192.0.2.1", account="joe")
        assert row["login"] == [False, "192.0.2.1: more than 3 wrong passwords within a minute"]
        assert not await site.rows("blocks")  # asked by a person, nothing was counted
        answers += [(await server.may_log_in(IP, b"joe")).answer for _ in range(2)]
        assert answers == [YES] * 3 + [NO] * 2
        (event,) = [event for event in site.events if isinstance(event, NetworkBlocked)]
        assert (event.network, event.is_login_only) == ("192.0.2.1", True)
        assert event.reason.endswith("within a minute; logins alone, mail is still taken")
        assert (await server.may_log_in(b"a name", b"joe")).answer == YES
        assert (await server.may_log_in(OTHER, b"joe")).answer == YES
        for _ in range(9):
            server.happened("login", OTHER, b"joe")
            found = await server.may_log_in(OTHER, b"joe")
            assert found.answer == YES
        rows = await site.rows("blocks")
        assert [(row["client"], row["refuses"]) for row in rows] == [("192.0.2.1", "logins")]
        assert not server.has_blocks
        assert found.steps[0].question == "session.logins"
    async with Site(tmp_path, maxbadlogins=3) as site:  # it outlives a restart
        assert [row["client"] for row in await site.rows("blocks")] == ["192.0.2.1"]


@scenario
async def test_an_account_is_held_and_the_postmaster_told(tmp_path):
    async with Site(tmp_path, maxaccountrecipients=5) as site:
        queue = FakeQueue(site.place.queue_socket)
        queue.start()
        await site.until(lambda: site.gate._notice._queue.is_up)
        server = site.server()
        assert (await server.account_sends(b"joe@b.test", 5, IP)).answer == YES
        assert (await server.account_sends(b"joe@b.test", 1, IP))[:2] == (NO, 6)
        await site.until(lambda: queue.messages)
        message = queue.messages[0]
        assert message.recipients == (b"postmaster@mx.example",)
        assert b"Subject: mail of joe@b.test is held\n" in message.body
        assert b"192.0.2.1" in message.body
        assert isinstance(site.events[-1], AccountHeld)
        assert [row["account"] for row in await site.rows("blocks")] == ["joe@b.test"]
        assert (await server.account_sends(b"joe@b.test", 1, IP)).answer == NO
        assert len(queue.messages) == 1
        queue.stop()
    async with Site(tmp_path, maxaccountrecipients=5) as site:
        server = site.server()
        assert (await server.account_sends(b"joe@b.test", 1, IP)).answer == NO
        await site.rows("unblock", client="joe@b.test")
        assert (await server.account_sends(b"joe@b.test", 1, IP)).answer == YES


@scenario
async def test_a_notice_waits_for_the_queue(tmp_path):
    async with Site(tmp_path, maxaccountrecipients=1) as site:
        server = site.server()
        await server.account_sends(b"joe@b.test", 2, IP)
        queue = FakeQueue(site.place.queue_socket)
        queue.start()
        await site.until(lambda: site.gate._notice._queue.is_up)
        site.gate._notice.try_again()
        await site.until(lambda: queue.messages)
        queue.stop()


@scenario
async def test_a_tap(tmp_path):
    async with Site(tmp_path) as site:
        server = site.server()
        reading = asyncio.create_task(site.ask("tap", 2, who="192.0.2.0/24", seconds=60))
        await site.until(lambda: server.taps)
        number = next(iter(server.taps))
        assert server.taps[number].network == "192.0.2.0/24"
        server.transcript(number, (b'{"text":"x"}',))
        begun, told = await reading
        assert json.loads(begun.rows[0])["event"] == "begun"
        assert (told.rows, told.more) == ((b'{"text":"x"}',), True)
        await site.until(lambda: not server.taps)  # whoever asked has gone away


@scenario
async def test_a_tap_ends_by_itself(tmp_path):
    async with Site(tmp_path) as site:
        server = site.server()
        reading = asyncio.create_task(site.ask("tap", 2, who="Joe@B.test"))
        await site.until(lambda: server.taps)
        assert next(iter(server.taps.values())).recipient == b"joe@b.test"
        taps = site.gate._orders.taps
        taps.expire(time.time() + 599)
        assert server.taps
        taps.expire(time.time() + 601)
        _begun, ended = await reading
        assert json.loads(ended.rows[0])["why"] == "its time is over"
        assert not ended.more
        await site.until(lambda: not server.taps)


def test_who_may_what(tmp_path, monkeypatch):
    owner = os.stat(tmp_path).st_uid
    rights = gate_peer.Rights(str(tmp_path), {"smtpd": (12_345, 12_345)})
    assert rights.may_serve(12_345)
    assert rights.may_serve(0)
    assert rights.may_serve(owner)
    assert not rights.may_serve(54_321)
    assert rights.may_order(owner, 1)
    assert not rights.may_order(54_321, 54_321)
    assert not rights.may_order(12_345, 12_345)


@scenario
async def test_only_servers_may_count(tmp_path):
    async with Site(tmp_path) as site:
        client = GateClient(site.place.gate_socket, "client")
        client.start()
        client.enter(IP, 1)
        assert (await client.connections(IP, 1)).answer == UNKNOWN
        client.close()
        assert site.gate.book.total == 0


def test_a_damaged_state_is_told_and_left_behind(tmp_path):
    (tmp_path / "gate").mkdir()
    path = str(tmp_path / "gate" / "state.json")
    assert gate_state.load(path) == (gate_state.GateState(), "")
    with open(path, "w") as file:
        file.write('{"blocks": 7}')
    state, problem = gate_state.load(path)
    assert state == gate_state.GateState()
    assert "forgotten" in problem


def test_an_older_state_is_never_written_over_a_later_one(tmp_path):
    keeping = GateKeeping(str(tmp_path / "state.json"), GateBook(), print)
    first = keeping._state()
    keeping._book.block(parse("192.0.2.7"), 9e9, "x", 0.0)
    assert keeping._save(*keeping._state()) == ""
    assert keeping._save(*first) == ""  # a thread that came late
    assert [block.network for block in gate_state.load(keeping._path)[0].blocks] == ["192.0.2.7"]
    keeping._path = str(tmp_path / "none" / "state.json")
    assert "are not saved" in keeping._save(*keeping._state())
