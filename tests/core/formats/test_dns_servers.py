import pytest

from glassmail.core.formats.control import parse_list
from glassmail.core.formats.dns_servers import DnsServersError, parse_servers


def _servers(data):
    return parse_servers(parse_list("control/dnsserver", data))


def test_servers():
    data = b"# ours\n192.0.2.53\n127.0.0.1:5353\n::1\n[::1]:5353\n[2001:db8::1]\n"
    assert _servers(data) == (
        ("192.0.2.53", 53),
        ("127.0.0.1", 5353),
        ("::1", 53),
        ("::1", 5353),
        ("2001:db8::1", 53),
    )
    assert _servers(None) == ()


@pytest.mark.parametrize("line", [b"ns.example", b"127.0.0.1:0", b"[::1]5353", b"127.0.0.1:x"])
def test_a_wrong_line_names_file_and_line(line):
    with pytest.raises(DnsServersError, match="control/dnsserver:1"):
        _servers(line + b"\n")
