from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.route import mx
from glassmail.core.route.mx import Address, Exchanger


@pytest.mark.parametrize(
    ("host", "ip"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b"[192.0.2.1]", "192.0.2.1"),
        (b"[IPv6:2001:DB8::1]", "2001:db8::1"),
        (b"[::1]", "::1"),
        (b"mx.example", None),
        (b"[mx.example]", None),
        (b"192.0.2", None),
        (b"192.0.2.256", None),
        (b"1920.2.1.1", None),
        (b"", None),
        (b"[]", None),
        (b"\xd9\xa1.0.2.1", None),
        (b"fe80::1%eth0", None),
    ],
)
def test_literals(host, ip):
    assert mx.parse_literal(host) == ip


def test_null_mx():
    assert mx.is_null_mx([Exchanger(0, b"")])
    assert not mx.is_null_mx([Exchanger(0, b""), Exchanger(10, b"mx.example")])
    assert not mx.is_null_mx([])


def test_equal_preferences_are_drawn_by_lot():
    hosts = [Exchanger(10, b"a"), Exchanger(5, b"x"), Exchanger(10, b"b"), Exchanger(10, b"c")]
    seen = Counter(mx.in_order(hosts, number)[1].name for number in range(3000))
    assert all(mx.in_order(hosts, n)[0].name == b"x" for n in range(50))
    assert min(seen[name] for name in (b"a", b"b", b"c")) > 800


@given(
    st.lists(st.builds(Exchanger, st.integers(0, 65535), st.binary(max_size=4)), max_size=60),
    st.integers(0, 2**64 - 1),
)
def test_order_keeps_the_best(hosts, number):
    ordered = mx.in_order(hosts, number)
    assert len(ordered) == min(len(hosts), mx.EXCHANGERS_MAX)
    wanted = sorted(host.preference for host in hosts)[: mx.EXCHANGERS_MAX]
    assert [host.preference for host in ordered] == wanted
    assert not Counter(ordered) - Counter(hosts)


def _address(ip, preference, host=b"mx"):
    return Address(ip, 25, preference, host)


def test_only_better_ones_than_ourselves_are_left():
    addresses = tuple(_address(f"192.0.2.{n}", n * 10) for n in range(1, 5))
    better, ours = mx.better_than_ours(addresses, lambda ip: ip in ("192.0.2.3", "192.0.2.4"))
    assert better == addresses[:2]
    assert ours == addresses[2]
    assert mx.better_than_ours(addresses, lambda _ip: False) == (addresses, None)
    assert mx.better_than_ours(addresses, lambda ip: ip == "192.0.2.1")[0] == ()


def test_an_equal_one_is_not_better():
    addresses = (_address("192.0.2.1", 10), _address("192.0.2.2", 10))
    assert mx.better_than_ours(addresses, lambda ip: ip == "192.0.2.2")[0] == ()


@given(st.integers(0, 2**64 - 1))
def test_reordering_keeps_preference_and_the_order_within_a_host(number):
    addresses = (
        _address("192.0.2.1", 10, b"a"),
        _address("2001:db8::1", 10, b"a"),
        _address("192.0.2.2", 10, b"b"),
        _address("192.0.2.3", 20, b"c"),
    )
    again = mx.reorder(addresses, number)
    assert again[-1].host == b"c"
    assert [one.ip for one in again if one.host == b"a"] == ["192.0.2.1", "2001:db8::1"]
    assert sorted(again) == sorted(addresses)
