import pytest

from glassmail.core.formats.smtproutes import Relay, RelayError, parse_relay


@pytest.mark.parametrize(
    ("value", "relay"),
    [
        (b"", None),
        (b"relay.example", Relay(b"relay.example", 25)),
        (b"relay.example:26", Relay(b"relay.example", 26)),
        (b"relay.example;26", Relay(b"relay.example", 26)),
        (b"127.0.0.1:2525", Relay(b"127.0.0.1", 2525)),
        (b"[127.0.0.1]", Relay(b"127.0.0.1", 25)),
        (b"[::1]:2525", Relay(b"::1", 2525)),
        (b"[::1];2525", Relay(b"::1", 2525)),
        (b"[2001:db8::1]", Relay(b"2001:db8::1", 25)),
    ],
)
def test_relays(value, relay):
    assert parse_relay(value) == relay


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (b"relay:", "port"),
        (b"relay:smtp", "port"),
        (b"relay:0", "port"),
        (b"relay:65536", "port"),
        (b"relay:2_5", "port"),
        (b"relay:\xd9\xa1", "port"),
        (b":25", "no relay"),
        (b"::1", "IPv6"),
        (b"[::1", "address"),
        (b"[::1]25", "address"),
        (b" relay", "blank"),
        (b"relay;26|user|word", "logging in"),
    ],
)
def test_what_cannot_be_obeyed_says_what_to_write(value, word):
    with pytest.raises(RelayError, match=word):
        parse_relay(value)


def test_a_login_is_not_shown():
    with pytest.raises(RelayError) as caught:
        parse_relay(b"relay|user|canary")
    assert "canary" not in str(caught.value)
