"""Keys of clients' addresses and networks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.client_keys import (
    full_v6,
    network_key,
    network_text,
    unmapped,
    v4_bits,
    v6_bits,
)


@given(st.ip_addresses(v=4), st.integers(1, 32))
def test_v4_networks_round_trip(address, size):
    text = f"{address}/{size}".encode()
    key = network_key(text)
    assert key is not None
    assert len(key) == 1 + size
    assert v4_bits(str(address).encode())[:size] == key[1:]
    assert network_key(network_text(key)) == key


@given(st.ip_addresses(v=6), st.integers(1, 128))
def test_v6_networks_round_trip(address, size):
    key = network_key(f"{address}/{size}".encode())
    full = full_v6(str(address).encode())
    assert full == address.exploded.upper().encode()
    assert v6_bits(full)[:size] == key[1:]
    assert network_key(network_text(key)) == key


@pytest.mark.parametrize("text", [b"1.2.3/x", b"1.2.3.4/", b"a/8", b"1.2.3.4.5/8", b"::1/", b"/8"])
def test_no_networks(text):
    assert network_key(text) is None


def test_short_forms():
    assert network_text(network_key(b"18.23/16")) == b"18.23.0.0/16"
    assert unmapped(b"::FFFF:1.2.3.4") == b"1.2.3.4"
    assert unmapped(b"::ffff:1:2") == b"::ffff:1:2"
    assert full_v6(b"\xff") is None
    assert v4_bits(b"1.2.3") is None
    assert v4_bits(b"1.2.3.256") is None
