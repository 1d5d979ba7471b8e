import asyncio

import pytest

from glassmail.core.formats.control import parse_map
from glassmail.core.formats.smtproutes import Relay
from glassmail.core.model.outcome import Outcome
from glassmail.core.model.questions import QUESTIONS
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.net.dns import Dns
from glassmail.stations.remote import PLAN_MOST_S, Destinations
from tests.net.fake_dns import FakeDns

ZONE = """
two.example. 100 IN MX 10 mx1.example.
two.example. 100 IN MX 20 mx2.example.
mx1.example. 50 IN A 192.0.2.1
mx1.example. 50 IN AAAA 2001:db8::1
mx2.example. 9000 IN A 192.0.2.2
even.example. 9000 IN MX 10 e1.example.
even.example. 9000 IN MX 10 e2.example.
e1.example. 9000 IN A 192.0.2.11
e2.example. 9000 IN A 192.0.2.12
alone.example. 100 IN A 192.0.2.5
null.example. 100 IN MX 0 .
empty.example. 100 IN MX 10 nothing.example.
nothing.example. 100 IN TXT "no address"
half.example. 100 IN MX 10 bad.example.
half.example. 100 IN MX 20 mx2.example.
sick.example. 100 IN MX 10 bad.example.
text.example. 100 IN TXT "no address"
ours.example. 100 IN MX 10 mx1.example.
ours.example. 100 IN MX 20 here.example.
ours.example. 100 IN MX 30 mx2.example.
best.example. 100 IN MX 20 here.example.
here.example. 100 IN A 203.0.113.9
literal.example. 100 IN MX 10 192\\.0\\.2\\.44.
alias.example. 100 IN CNAME two.example.
relay.example. 100 IN A 203.0.113.9
"""


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def plan(host, routes=b"", *, zone=ZONE, failing=None, draw=0, lifetime_s=0.5):
    async def go():
        async with FakeDns(zone, failing or {"bad.example": "servfail"}) as server:
            dns = Dns(server.servers, Clock(), try_s=lifetime_s, lifetime_s=lifetime_s)
            destinations = Destinations(dns, ("203.0.113.9",).__contains__, lambda: draw, Clock())
            return await destinations.plan(host, parse_map("control/smtproutes", routes))

    found = asyncio.run(go())
    assert all(step.question in QUESTIONS for step in found.steps)
    assert bool(found.addresses) == (found.report is None)
    return found


def ips(found):
    return [address.ip for address in found.addresses]


def last(found):
    return found.steps[-1]


def test_exchangers_by_preference_both_families():
    found = plan(b"Two.Example")
    assert ips(found) == ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    assert {address.port for address in found.addresses} == {25}
    assert found.steps == (
        ("remote.route", b"Two.Example", NO, "control/smtproutes (0 entries)"),
        ("remote.mx", b"two.example", "10 mx1.example, 20 mx2.example", "DNS: TTL 100 s"),
        ("remote.addresses", b"mx1.example", "192.0.2.1 2001:db8::1", "DNS: TTL 50 s"),
        ("remote.addresses", b"mx2.example", "192.0.2.2", "DNS: TTL 9000 s"),
    )
    assert found.expires == 1030.0  # mx2 has no AAAA record, and the SOA says 30 s


def test_equal_exchangers_change_places():
    orders = {tuple(ips(plan(b"even.example", draw=draw))) for draw in range(8)}
    assert orders == {("192.0.2.11", "192.0.2.12"), ("192.0.2.12", "192.0.2.11")}


def test_without_mx_the_host_itself():
    found = plan(b"alone.example")
    assert ips(found) == ["192.0.2.5"]
    assert found.steps[1].answer == NO


def test_aliases_are_followed():
    assert ips(plan(b"alias.example"))[0] == "192.0.2.1"


D, Z = Outcome.FAILURE, Outcome.DEFERRAL


@pytest.mark.covers(
    "remote/lookup_failed", "remote/no_host_found", "remote/no_exchanger",
    "remote/ambiguous_mx",
)  # fmt: skip
@pytest.mark.parametrize(
    ("host", "outcome", "text", "answer"),
    [
        (b"null.example", D,
         b"Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n", NO),
        (b"empty.example", D,
         b"Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n", NO),
        (b"nowhere.example", D,
         b"Sorry, I couldn't find any host named nowhere.example. (#5.1.2)\n", NO),
        (b"text.example", D, b"Sorry, I couldn't find any host named text.example. (#5.1.2)\n", NO),
        (b"", D, b"Sorry, I couldn't find any host named . (#5.1.2)\n", NO),
        (b"bad.example", Z, b"CNAME lookup failed temporarily. (#4.4.3)\n", UNKNOWN),
        (b"sick.example", Z, b"Sorry, I couldn't find any host by that name. (#4.1.2)\n", UNKNOWN),
        (b"best.example", D,
         (b"Sorry. Although I'm listed as a best-preference MX or A for that host,\n"
         b"it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n"), NO),
        (b"[203.0.113.9]", D,
         (b"Sorry. Although I'm listed as a best-preference MX or A for that host,\n"
         b"it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n"), NO),
    ],
)  # fmt: skip
def test_nowhere_to_go(host, outcome, text, answer):
    found = plan(host)
    assert found.report is not None
    assert (found.report.outcome, found.report.text) == (outcome, text)
    assert last(found).answer == answer


def test_a_failed_exchanger_does_not_stop_the_others():
    assert ips(plan(b"half.example")) == ["192.0.2.2"]


def test_exchangers_not_better_than_ourselves_are_left_out():
    found = plan(b"ours.example")
    assert ips(found) == ["192.0.2.1", "2001:db8::1"]
    assert last(found) == (
        "remote.mine", b"203.0.113.9", YES,
        "here.example is this host: preferences below 20 are left",
    )  # fmt: skip


def test_address_literals():
    assert ips(plan(b"[192.0.2.9]")) == ["192.0.2.9"]
    assert ips(plan(b"[IPv6:2001:db8::9]")) == ["2001:db8::9"]
    assert last(plan(b"[192.0.2.9]")).question == "remote.literal"


def test_a_relay_s_addresses_even_our_own():
    found = plan(b"any.example", b":relay.example:2525\n")
    assert found.addresses == (("203.0.113.9", 2525, 0, b"relay.example"),)
    assert found.steps[0].source == "control/smtproutes:1 :relay.example:2525"
    assert plan(b"any.example", b":[::1]:2525\n").addresses[0][:2] == ("::1", 2525)


def test_a_relay_is_not_looked_up_by_mx():
    assert ips(plan(b"any.example", b":alone.example\n")) == ["192.0.2.5"]
    found = plan(b"any.example", b":two.example\n")
    assert found.report is not None
    assert b"any host named two.example." in found.report.text


def test_a_relay_that_cannot_be_looked_up_now():
    found = plan(b"any.example", b":bad.example\n")
    assert found.report is not None
    assert found.report.text == b"Sorry, I couldn't find any host by that name. (#4.1.2)\n"


def test_a_broken_route():
    found = plan(b"any.example", b":relay:x\n")
    assert found.report is not None
    assert found.report.text == b"Unable to read control files. (#4.3.0)\n"


def test_hundreds_of_exchangers():
    zone = "\n".join(
        f"many.example. 100 IN MX {n} m{n}.example.\nm{n}.example. 100 IN A 192.0.2.{n % 250}"
        for n in range(500)
    )
    found = plan(b"many.example", zone=zone, lifetime_s=5.0)
    assert len(found.addresses) == 20
    assert len(found.steps) < 30


def test_a_plan_is_kept_as_long_as_its_answers():
    async def go():
        async with FakeDns(ZONE) as server:
            clock = Clock()
            dns = Dns(server.servers, clock)
            draws = iter(range(1000))
            destinations = Destinations(dns, lambda _ip: False, lambda: next(draws), clock)
            assert destinations.kept(b"even.example") is None
            await destinations.find(b"even.example")
            kept = [destinations.kept(b"even.example") for _ in range(20)]
            assert {tuple(ips(one)) for one in kept} == {
                ("192.0.2.11", "192.0.2.12"),
                ("192.0.2.12", "192.0.2.11"),
            }
            clock.now += PLAN_MOST_S
            assert destinations.kept(b"even.example") is None
            await destinations.find(b"even.example")
            asked = [kind for _name, kind in server.questions]
            assert asked == ["MX", "A", "AAAA", "A", "AAAA", "AAAA", "AAAA"]  # the rest is cached
            relay = Relay(b"::1", 2525)
            await destinations.find(relay)
            assert destinations.kept(relay).addresses[0].ip == "::1"

    asyncio.run(go())
