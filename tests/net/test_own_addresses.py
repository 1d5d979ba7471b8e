import pytest

from glassmail.net.own_addresses import is_ours


@pytest.mark.parametrize(
    "ip", ["127.0.0.1", "127.8.9.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"]
)
def test_loopback_and_unspecified_are_ours(ip):
    assert is_ours(ip)


@pytest.mark.parametrize("ip", ["192.0.2.77", "2001:db8::77", "255.255.255.255"])
def test_others_are_not(ip):
    assert not is_ours(ip)
