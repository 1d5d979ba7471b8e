import asyncio

import pytest
import uvloop

from glassmail.net import dns as dns_module
from glassmail.net.dns import Dns, MxRecord, Status
from tests.net.fake_dns import FakeDns

ZONE = """
plain.example. 100 IN MX 10 mx1.example.
plain.example. 100 IN MX 20 mx2.example.
mx1.example. 50 IN A 192.0.2.1
mx1.example. 50 IN A 192.0.2.2
mx1.example. 50 IN AAAA 2001:db8::1
null.example. 100 IN MX 0 .
alias.example. 100 IN CNAME plain.example.
far.example. 100 IN CNAME elsewhere.example.
elsewhere.example. 100 IN MX 5 mx1.example.
loop1.example. 100 IN CNAME loop2.example.
loop2.example. 100 IN CNAME loop1.example.
text.example. 100 IN TXT "one " "text"
1.2.0.192.in-addr.arpa. 100 IN PTR mx1.example.
"""
LOOPS = [uvloop.new_event_loop, asyncio.new_event_loop]


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture(params=LOOPS, ids=["uvloop", "asyncio"])
def run(request):
    """Run a coroutine function with (server, resolver, clock)."""

    def run(test, zone=ZONE, failing=None, **limits):
        async def go():
            clock = Clock()
            async with FakeDns(zone, failing) as server:
                await test(server, Dns(server.servers, clock, **limits), clock)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(go())

    return run


def test_records(run):
    async def test(_server, dns, _clock):
        mx = await dns.ask(b"plain.example", "MX")
        assert mx.status is Status.FOUND
        assert sorted(mx.records) == [MxRecord(10, b"mx1.example"), MxRecord(20, b"mx2.example")]
        assert mx.detail == "TTL 100 s"
        assert set((await dns.ask(b"mx1.example", "A")).records) == {"192.0.2.1", "192.0.2.2"}
        assert (await dns.ask(b"mx1.example", "AAAA")).records == ("2001:db8::1",)
        assert (await dns.ask(b"null.example", "MX")).records == (MxRecord(0, b""),)
        assert (await dns.ask(b"text.example", "TXT")).records == (b"one text",)
        assert (await dns.ask(b"1.2.0.192.in-addr.arpa", "PTR")).records == (b"mx1.example",)

    run(test)


def test_missing_names_and_data(run):
    async def test(_server, dns, _clock):
        assert (await dns.ask(b"nowhere.example", "MX")).status is Status.NO_NAME
        assert (await dns.ask(b"mx1.example", "MX")).status is Status.NO_DATA
        for wrong in (
            b"a..example",
            b"x" * 64 + b".example",
            b"\xff.example",
            b".".join([b"a"] * 200),
        ):
            assert (await dns.ask(wrong, "MX")).status is Status.NO_NAME

    run(test)


def test_aliases(run):
    async def test(_server, dns, _clock):
        assert len((await dns.ask(b"alias.example", "MX")).records) == 2
        assert (await dns.ask(b"far.example", "MX")).records == (MxRecord(5, b"mx1.example"),)
        loop = await dns.ask(b"loop1.example", "MX")
        assert loop.status is Status.FAILED

    run(test)


@pytest.mark.parametrize("how", ["servfail", "refused", "garbage"])
def test_failures_have_a_reason(run, how):
    async def test(_server, dns, _clock):
        answer = await dns.ask(b"bad.example", "MX")
        assert answer.status is Status.FAILED
        assert answer.detail.startswith("127.0.0.1@") or "in time" in answer.detail

    run(test, failing={"bad.example": how}, try_s=0.05, lifetime_s=0.1)


@pytest.mark.parametrize("how", ["silent", "foreign"])
def test_silence_ends_in_time(run, how):
    async def test(_server, dns, _clock):
        answer = await dns.ask(b"bad.example", "MX")
        assert (answer.status, answer.detail) == (Status.FAILED, "no server answered in time")

    run(test, failing={"bad.example": how}, try_s=0.05, lifetime_s=0.1)


def test_many_records_come_by_tcp_and_are_cut(run):
    zone = "\n".join(f"many.example. 100 IN MX {n} mx{n}.example." for n in range(500))

    async def test(server, dns, _clock):
        answer = await dns.ask(b"many.example", "MX")
        assert answer.status is Status.FOUND
        assert len(answer.records) == dns_module.RECORDS_MAX
        assert server.tcp_questions == 1

    run(test, zone=zone)


def test_the_cache_keeps_to_the_ttl(run):
    async def test(server, dns, clock):
        assert dns.cached(b"mx1.example", "A") is None
        first = await dns.ask(b"mx1.example", "A")
        assert await dns.ask(b"MX1.example", "A") is first
        assert dns.cached(b"mx1.Example", "A") is first
        assert len(server.questions) == 1
        clock.now += 49
        assert dns.cached(b"mx1.example", "A") is first
        clock.now += 2
        assert dns.cached(b"mx1.example", "A") is None
        await dns.ask(b"mx1.example", "A")
        assert len(server.questions) == 2

    run(test)


def test_missing_names_are_remembered_as_the_soa_says(run):
    async def test(server, dns, clock):
        await dns.ask(b"nowhere.example", "MX")
        clock.now += 29
        await dns.ask(b"nowhere.example", "MX")
        assert len(server.questions) == 1
        clock.now += 2
        await dns.ask(b"nowhere.example", "MX")
        assert len(server.questions) == 2

    run(test)


def test_equal_questions_share_one_answer(run):
    async def test(server, dns, _clock):
        tasks = [asyncio.ensure_future(dns.ask(b"mx1.example", "A")) for _ in range(50)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        answers = await asyncio.gather(*tasks[1:])
        assert len({id(answer) for answer in answers}) == 1
        assert server.questions == [("mx1.example", "A")]

    run(test)


def test_the_cache_is_bounded(run, monkeypatch):
    monkeypatch.setattr(dns_module, "CACHE_MAX", 8)

    async def test(_server, dns, _clock):
        for n in range(30):
            await dns.ask(b"n%d.example" % n, "A")
        assert len(dns._cache) <= 8
        assert dns.cached(b"n29.example", "A") is not None

    run(test)


def test_without_resolv_conf_this_host_is_asked(monkeypatch):
    def missing(*_arguments, **_options):
        raise dns_module.dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns_module.dns.resolver.BaseResolver, "read_resolv_conf", missing)
    assert [str(s) for s in dns_module._make_resolver((), 1, 1).nameservers] == ["127.0.0.1"]
