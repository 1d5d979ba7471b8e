"""PROXY headers and names before a session."""

import asyncio

import pytest

from glassmail.core.ask import DnsFact
from glassmail.core.formats.listen import Listener
from glassmail.core.model.networks import parse
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.policy.facts import Client
from glassmail.net import ident
from glassmail.stations import arrival, introduction
from glassmail.stations.arrival import Arrival, is_simple
from tests.core_peer import FakeAsk
from tests.dialogue import parse as dialogue
from tests.stations.session_site import SessionSite

PLAIN = Listener("smtp", "127.0.0.1", 25, "control/listen:1 smtp 127.0.0.1:25")
PROXIED = PLAIN._replace(proxies=(parse("10.0.0.2"), parse("10.1.0.0/16")))
PROXY = Client(b"10.0.0.2", 999, None, None, b"10.0.0.1", 25)
CLIENT = Client(b"192.0.2.7", 4321, None, None, b"10.0.0.1", 25)
HEADER = b"PROXY TCP4 192.0.2.7 10.0.0.1 4321 25\r\n"
REVERSE = (b"7.2.0.192.in-addr.arpa", "PTR")
NAMED = {
    REVERSE: DnsFact(YES, (b"MX.Src.Test",), "TTL 60 s"),
    (b"mx.src.test", "A"): DnsFact(YES, (b"192.0.2.6", b"192.0.2.7"), "TTL 60 s"),
}


def site(tmp_path, controls="", answers=None):
    ask = FakeAsk()
    ask.dns_answers = answers or {}
    return SessionSite(tmp_path, dialogue("x", controls), ask)


class Way:
    """One connection before its session."""

    def __init__(self, made, listener=PROXIED, client=PROXY):
        self.met = []
        self.site = made
        self.arrival = Arrival(made.services, listener, client, self.met.append)
        self.arrival.begin()


@pytest.mark.parametrize("step", [1, 5, 1_000])
def test_a_header_in_pieces(tmp_path, step):
    way = Way(site(tmp_path))
    data = HEADER + b"EHLO x\r\n"
    for at in range(0, len(data), step):
        way.arrival.receive(data[at : at + step])
    met = way.met[0]
    assert met.client == CLIENT
    assert not met.is_refused
    assert b"EHLO x\r\n".startswith(met.unread)
    assert (met.steps[0].subject, met.steps[0].answer) == (b"10.0.0.2", YES)


def test_the_proxy_itself(tmp_path):
    way = Way(site(tmp_path))
    way.arrival.receive(b"PROXY UNKNOWN\r\n")
    assert way.met[0].client == PROXY


def test_who_is_no_proxy_is_not_heard(tmp_path):
    way = Way(site(tmp_path), client=CLIENT)
    assert way.met[0].is_refused
    assert way.met[0].client == CLIENT
    assert "no proxy" in way.met[0].steps[-1].source
    way.arrival.receive(HEADER)
    assert len(way.met) == 1


@pytest.mark.parametrize("data", [b"EHLO x\r\n", b"PROXY TCP4 1.2.3.4\r\n"])
def test_no_header(tmp_path, data):
    way = Way(site(tmp_path))
    way.arrival.receive(data)
    assert way.met[0].is_refused
    assert way.met[0].steps[-1].answer == NO


def test_a_header_that_does_not_come(tmp_path):
    way = Way(site(tmp_path))
    way.arrival.receive(HEADER[:9])
    way.arrival.tick(way.site.now + arrival.HEADER_S)
    assert not way.met
    way.arrival.tick(way.site.now + arrival.HEADER_S + 1)
    assert way.met[0].is_refused


def test_the_end_before_the_header(tmp_path):
    way = Way(site(tmp_path))
    assert way.arrival.end_of_input()  # it only looked whether somebody listens
    assert not way.met
    way.arrival.receive(HEADER[:9])
    assert not way.arrival.end_of_input()
    assert way.met[0].is_refused


def test_what_is_simple(tmp_path):
    made = site(tmp_path)
    assert is_simple(made.services, PLAIN)
    assert not is_simple(made.services, PROXIED)
    assert not is_simple(site(tmp_path / "a", "control/remotehost: yes\n").services, PLAIN)
    assert not is_simple(site(tmp_path / "b", "control/remoteinfo: 3\n").services, PLAIN)
    named = site(tmp_path / "c", "rule: =.src.test:allow\nrule: :deny\n")
    assert not is_simple(named.services, PLAIN)
    never = site(tmp_path / "d", "control/remotehost: no\nrule: =.src.test:allow\n")
    assert is_simple(never.services, PLAIN)


# --- names --------------------------------------------------------------------------------------


def named(tmp_path, controls, answers, client=CLIENT):
    made = site(tmp_path, controls, answers)
    services = made.services
    asking = introduction.introduce(client, services.settings.now(), services.rules, made.ask)
    return asyncio.run(asking)


@pytest.mark.covers("control/remotehost", "rule-variable/TCPREMOTEHOST")
def test_a_name_that_leads_back(tmp_path):
    client, steps = named(tmp_path, "control/remotehost: paranoid\n", NAMED)
    assert client.host == b"mx.src.test"
    assert steps[0].source == "PTR mx.src.test, which leads back"


@pytest.mark.parametrize("kind", ["paranoid", "auto"])
def test_a_name_that_does_not_lead_back(tmp_path, kind):
    answers = {REVERSE: DnsFact(YES, (b"bank.test",), "")}
    rule = "rule: =.bank.test:allow\n"
    client, steps = named(tmp_path, f"control/remotehost: {kind}\n{rule}", answers)
    assert client.host is None
    assert "does not lead back" in steps[0].source
    client, _ = named(tmp_path, f"control/remotehost: yes\n{rule}", answers)
    assert client.host == b"bank.test"


@pytest.mark.parametrize("name", [b"", b"a b.test", b"x\n.test", b"(x).test"])
def test_what_is_no_name(tmp_path, name):
    answers = {REVERSE: DnsFact(YES, (name,), "")}
    client, steps = named(tmp_path, "control/remotehost: yes\n", answers)
    assert (client.host, steps[0].answer) == (None, NO)


def test_no_name(tmp_path):
    answers = {REVERSE: DnsFact(UNKNOWN, (), "SERVFAIL")}
    client, steps = named(tmp_path, "control/remotehost: yes\n", answers)
    assert (client.host, steps[0].answer, steps[0].source) == (None, UNKNOWN, "PTR: SERVFAIL")


def test_ipv6(tmp_path):
    pointer = b"7.0.0.0." + b"0.0.0.0." * 5 + b"8.b.d.0.1.0.0.2.ip6.arpa"
    answers = {
        (pointer, "PTR"): DnsFact(YES, (b"six.test",), ""),
        (b"six.test", "AAAA"): DnsFact(YES, (b"2001:DB8:0::7",), ""),
    }
    six = CLIENT._replace(ip=b"2001:db8::7")
    client, _ = named(tmp_path, "control/remotehost: paranoid\n", answers, six)
    assert client.host == b"six.test"


@pytest.mark.covers("control/remotehosttimeout")
def test_dns_that_does_not_answer(tmp_path, monkeypatch):
    async def never(self, name, kind):
        await asyncio.sleep(60)

    monkeypatch.setattr(FakeAsk, "dns", never)
    made = site(tmp_path, "control/remotehost: yes\ncontrol/remotehosttimeout: 1\n")
    settings = made.services.settings.now()._replace(remote_host_s=0.01)
    asking = introduction.introduce(CLIENT, settings, made.services.rules, made.ask)
    client, steps = asyncio.run(asking)
    assert (client.host, steps[0].answer) == (None, UNKNOWN)
    assert made.services.settings.now().remote_host_s == 1


def test_a_session_waits_for_the_name(tmp_path):
    async def scenario():
        made = site(tmp_path, "control/remotehost: paranoid\n", NAMED)
        way = Way(made, PLAIN, CLIENT)
        way.arrival.receive(b"EHLO x\r\n")
        assert not way.met
        await asyncio.sleep(0.01)
        met = way.met[0]
        assert (met.client.host, met.unread) == (b"mx.src.test", b"EHLO x\r\n")
        gone = Way(made, PLAIN, CLIENT)
        gone.arrival.lost()
        await asyncio.sleep(0.01)
        assert not gone.met

    asyncio.run(scenario())


# --- users --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "user"),
    [
        (b"4321 , 25 : USERID : UNIX : joe\r\n", b"joe"),
        (b"4321,25:USERID:OTHER: a\x1b b\r\n", b"a__b"),
        (b"4321 , 25 : ERROR : NO-USER\r\n", b""),
        (b"", b""),
    ],
)
def test_who_the_user_is(line, user):
    async def scenario():
        async def answer(reader, writer):
            assert await reader.readline() == b"4321 , 25\r\n"
            writer.write(line)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        ends = (b"127.0.0.1", 25), (b"127.0.0.1", 4321)
        found = await ident.ask(*ends, 5.0, port)
        server.close()
        await server.wait_closed()
        return found, await ident.ask(*ends, 5.0, port)

    found, closed = asyncio.run(scenario())
    assert found[0] == user
    assert closed[0] == b""
    assert closed[1]


@pytest.mark.covers("control/remoteinfo", "rule-variable/TCPREMOTEINFO")
def test_the_user_is_asked_for(tmp_path, monkeypatch):
    async def ask(local, remote, seconds):
        assert (local, remote, seconds) == ((b"10.0.0.1", 25), (b"192.0.2.7", 4321), 3.0)
        return b"joe", ""

    monkeypatch.setattr(ident, "ask", ask)
    client, steps = named(tmp_path, "control/remoteinfo: 3\n", {})
    assert client.info == b"joe"
    assert steps[0].question == "session.remote-info"
