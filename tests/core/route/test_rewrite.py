"""Where addresses go: what the real qmail-send did, and the order of its questions."""

import re

import pytest

from glassmail.core.formats.control import parse_list, parse_map
from glassmail.core.model.trail import NO, YES
from glassmail.core.route.rewrite import Channel, RoutingTables, route, strip_prepend
from tests.shared import SAMPLES

VIRTUALDOMAINS = b"""\
user@one.test:joe-one
one.test:dom-one
.wild.test:wild
exempt.wild.test:
dup.test:first
dup.test:second
no colon here
:catch
"""

# From the log of the real programs: recipient, channel, address as it was delivered.
PROBE = [
    (b"user@one.test", Channel.LOCAL, b"joe-one-user@one.test"),
    (b"USER@ONE.TEST", Channel.LOCAL, b"joe-one-USER@ONE.TEST"),
    (b"other@one.test", Channel.LOCAL, b"dom-one-other@one.test"),
    (b"a@b.wild.test", Channel.LOCAL, b"wild-a@b.wild.test"),
    (b"a@wild.test", Channel.LOCAL, b"catch-a@wild.test"),
    (b"a@exempt.wild.test", Channel.REMOTE, b"a@exempt.wild.test"),
    (b"a@x.exempt.wild.test", Channel.LOCAL, b"wild-a@x.exempt.wild.test"),
    (b"a@dup.test", Channel.LOCAL, b"second-a@dup.test"),
    (b"a@anything.else", Channel.LOCAL, b"catch-a@anything.else"),
    (b"pct%a@oracle.example.test", Channel.LOCAL, b"pct%a@oracle.example.test"),
    (b"nodomain", Channel.LOCAL, b"nodomain@oracle.example.test"),
    (b"sp ace@one.test", Channel.LOCAL, b"dom-one-sp ace@one.test"),
    (b"x@ORACLE.Example.Test", Channel.LOCAL, b"x@ORACLE.Example.Test"),
    (b"s@src.test", Channel.LOCAL, b"catch-s@src.test"),
]


def tables(virtualdomains=VIRTUALDOMAINS, local=b"oracle.example.test\n", percenthack=b""):
    return RoutingTables(
        b"oracle.example.test",
        parse_list("control/percenthack", percenthack),
        parse_list("control/locals", local),
        parse_map("control/virtualdomains", virtualdomains),
    )


@pytest.mark.parametrize(("recipient", "channel", "delivered"), PROBE)
@pytest.mark.covers(
    "routing/envnoathost",
    "routing/locals",
    "routing/virtualdomains address",
    "routing/virtualdomains domain",
    "routing/virtualdomains suffix",
    "routing/virtualdomains catch-all",
    "routing/virtualdomains exception",
    "routing/virtualdomains duplicate",
    "routing/case",
)
def test_probe(recipient, channel, delivered):
    found = route(recipient, tables())
    assert (found.channel, found.address) == (channel, delivered)
    assert found.address == (found.prepend + b"-" if found.prepend else b"") + (
        recipient if b"@" in recipient else recipient + b"@oracle.example.test"
    )


def test_probe_agrees_with_the_log():
    sample = SAMPLES / "probe-virtualdomains.txt"
    if not sample.exists():
        pytest.skip("the reference material does not lie beside the checkout")
    deliveries = re.findall(rb"to (local|remote) (\S+)", sample.read_bytes())
    seen = {(channel.decode(), address) for channel, address in deliveries}
    safe = [
        (channel.value, address.replace(b" ", b"_").replace(b"%", b"_"))
        for _, channel, address in PROBE
    ]
    assert set(safe) <= seen
    assert {address for _, address in seen} - {address for _, address in safe} == {
        b"nosuchuser@oracle.example.test"
    }


@pytest.mark.covers("routing/locals first")
def test_locals_beat_virtualdomains():
    found = route(b"user@one.test", tables(local=b"one.test\n"))
    assert (found.channel, found.prepend) == (Channel.LOCAL, b"")
    assert found.steps[-1].source == "control/locals:1 one.test"


def test_the_trail_asks_in_order_and_ends_with_the_decision():
    found = route(b"a@b.c.wild.test", tables(b".wild.test:w\n"))
    assert [(s.question, s.subject, s.answer) for s in found.steps] == [
        ("routing.locals", b"b.c.wild.test", NO),
        ("routing.virtualdomains", b"a@b.c.wild.test", NO),
        ("routing.virtualdomains", b"b.c.wild.test", NO),
        ("routing.virtualdomains", b".c.wild.test", NO),
        ("routing.virtualdomains", b".wild.test", YES),
    ]
    assert found.steps[-1].source == "control/virtualdomains:1 .wild.test:w"


@pytest.mark.covers("routing/remote")
def test_no_line_for_it_ends_with_the_catch_all():
    found = route(b"a@b.test", tables(b"other.test:x\n"))
    assert found.channel is Channel.REMOTE
    assert found.steps[-1] == (
        "routing.catch_all",
        b"",
        NO,
        "control/virtualdomains (1 entry)",
    )


@pytest.mark.covers("control/percenthack")
def test_missing_files_are_empty_tables_and_say_so():
    empty = RoutingTables(
        b"me.test",
        parse_list("control/percenthack", None),
        parse_list("control/locals", None),
        parse_map("control/virtualdomains", None),
    )
    found = route(b"a@b.test", empty)
    assert found.channel is Channel.REMOTE
    assert [step.source for step in found.steps] == [
        "control/locals (no such file)",
        "control/virtualdomains (no such file)",
    ]


@pytest.mark.parametrize(
    ("recipient", "address"),
    [
        (b"a%b.test@hack.test", b"a@b.test"),
        (b"a%b%hack.test@HACK.test", b"a@b"),  # a%b@hack.test is looked up again
        (b"a@hack.test", b"a@hack.test"),
        (b"%@hack.test", b"@"),
        (b"a%hack.test@other.test", b"a%hack.test@other.test"),
    ],
)
@pytest.mark.covers("routing/percenthack")
def test_percenthack(recipient, address):
    found = route(recipient, tables(b"", b"", b"hack.test\n"))
    assert found.address == address


@pytest.mark.parametrize("address", [b"", b"@", b"a@", b"@one.test", b"a@.", b"a@..test", b"@@@"])
def test_odd_addresses_have_an_end(address):
    found = route(address, tables())
    assert found.steps
    assert found.address.endswith(address) or b"oracle" in found.address


def test_catch_all_takes_an_empty_domain_once():
    found = route(b"a@", tables(b":all\n"))
    assert (found.prepend, [s.subject for s in found.steps]) == (b"all", [b"", b"a@", b""])


@pytest.mark.covers("routing/prepend in bounces")
def test_strip_prepend():
    t = tables()
    assert strip_prepend(b"dom-one-other@one.test", t) == b"other@one.test"
    assert strip_prepend(b"wild-a@b.wild.test", t) == b"a@b.wild.test"
    assert strip_prepend(b"catch-a@x.else", t) == b"a@x.else"
    # QUIRK: entries of whole addresses are not looked at, and the first hit decides.
    assert strip_prepend(b"joe-one-user@one.test", t) == b"joe-one-user@one.test"
    assert strip_prepend(b"a@exempt.wild.test", t) == b"a@exempt.wild.test"
    assert strip_prepend(b"Dom-one-x@one.test", t) == b"Dom-one-x@one.test"
    assert strip_prepend(b"nobody", t) == b"nobody"
