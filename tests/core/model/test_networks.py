import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.networks import (
    NetworkError,
    NetworkTable,
    address_of,
    find,
    is_loopback,
    parse,
    wider,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        (" 2001:DB8::7/32 ", "2001:db8::/32"),
        ("::1", "::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_written_again(text, shown):
    assert parse(text).text == shown
    assert parse(shown) == parse(text)


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/\u0663", "::/129"]
)
def test_what_is_no_network(text):
    with pytest.raises(NetworkError):
        parse(text)


def test_what_lies_in_what():
    net = parse("192.0.2.0/24")
    assert net.holds(parse("192.0.2.255"))
    assert net.holds(parse("192.0.2.128/25"))
    assert not net.holds(parse("192.0.0.0/16"))
    assert not net.holds(parse("192.0.3.1"))
    assert not net.holds(parse("::1"))
    assert find([parse("10.0.0.0/8"), net], parse("192.0.2.1")) == net
    assert find([], parse("192.0.2.1")) is None


def test_loopback():
    assert is_loopback(parse("127.9.9.9"))
    assert is_loopback(parse("::1"))
    assert is_loopback(parse("::ffff:127.0.0.1"))
    assert not is_loopback(parse("128.0.0.1"))


@given(st.ip_addresses(), st.integers(0, 32))
def test_every_wider_network_holds_its_address(ip, prefix):
    address = address_of(str(ip).encode())
    net = wider(address, prefix)
    assert net.holds(address)
    assert parse(net.text) == net
    table = NetworkTable()
    table.put(net, "value")
    assert table.holding(address) == ["value"]
    assert table.drop(net)
    assert not table.drop(net)
    assert (table.holding(address), len(table)) == ([], 0)


def test_a_table_with_several_lengths():
    table = NetworkTable()
    for text in ("192.0.2.7", "192.0.2.0/24", "192.0.2.0/25", "2001:db8::/32"):
        table.put(parse(text), text)
    found = sorted(table.holding(parse("192.0.2.7")))
    assert found == ["192.0.2.0/24", "192.0.2.0/25", "192.0.2.7"]
    assert table.holding(parse("192.0.2.200")) == ["192.0.2.0/24"]
    assert table.holding(parse("2001:db8::9")) == ["2001:db8::/32"]
    assert table.get(parse("192.0.2.0/25")) == "192.0.2.0/25"
    table.clear()
    assert table.values() == []
