"""Which rule is for a client: the real tcprulescheck's answers, and networks."""

import re

import pytest

from glassmail.core.formats import cdb
from glassmail.core.formats.tcp_rules import from_records, parse, records
from glassmail.core.route.tcp_rules import match
from tests.shared import SAMPLES

RULES = b"""\
# comment
joe@127.0.0.1:allow,W="info@ip"
joe@=mx.good.example:allow,W="info@=host"
18.23.0.32:allow,W="ip"
=mx.good.example:allow,W="=host"
18.23.:allow,W="prefix2"
10.1.2.5-7:allow,W="range"
10.2-3.:deny
=.good.example:allow,W="=.suffix"
=:allow,W="= any name"
:allow,W="default",RELAYCLIENT=/@fix.me/
"""

PROBE = [
    (b"127.0.0.1", None, b"joe", b"joe@127.0.0.1", b"info@ip"),
    (b"9.9.9.9", b"mx.good.example", b"joe", b"joe@=mx.good.example", b"info@=host"),
    (b"18.23.0.32", b"mx.good.example", None, b"18.23.0.32", b"ip"),
    (b"18.23.0.33", b"mx.good.example", None, b"=mx.good.example", b"=host"),
    (b"18.23.0.33", None, None, b"18.23.", b"prefix2"),
    (b"18.23.0.33", b"a.b.good.example", None, b"18.23.", b"prefix2"),
    (b"10.1.2.6", None, None, b"10.1.2.6", b"range"),
    (b"10.3.1.1", None, None, b"10.3.", None),
    (b"8.8.8.8", b"a.b.good.example", None, b"=.good.example", b"=.suffix"),
    (b"8.8.8.8", b"other.example", None, b"=", b"= any name"),
    (b"8.8.8.8", None, None, b"", b"default"),
]


def as_text(data):
    return parse(data, "rules")


def as_cdb(data):
    return from_records(cdb.records(cdb.render(records(data, "rules"))), "rules.cdb")


@pytest.mark.parametrize("read", [as_text, as_cdb])
@pytest.mark.parametrize(("ip", "host", "info", "key", "value"), PROBE)
def test_probe(read, ip, host, info, key, value):
    found = match(read(RULES), ip, host, info)
    assert found.key == key
    assert found.allow is (value is not None)
    assert dict(found.environment).get(b"W") == value


def test_probe_is_the_sample():
    sample = SAMPLES / "tcprules-samples.txt"
    if not sample.exists():
        pytest.skip("the reference material does not lie beside the checkout")
    text = sample.read_bytes()
    assert RULES in text
    for ip, host, info, key, _ in PROBE:
        asked = b"-- ip=%b host=%b info=%b\nrule %b:\n" % (ip, host or b"", info or b"", key)
        assert asked in text
    assert len(re.findall(rb"^-- ip=", text, re.MULTILINE)) == len(PROBE)


def test_sources():
    assert (
        match(as_text(RULES), b"18.23.0.1", None, None).source == 'rules:6 18.23.:allow,W="prefix2"'
    )
    assert match(as_cdb(RULES), b"18.23.0.1", None, None).source == "rules.cdb 18.23.:"
    nothing = match(as_text(b""), b"1.2.3.4", None, None)
    assert (nothing.allow, nothing.environment, nothing.key) == (True, (), None)
    assert nothing.source == "rules (no rule for it)"


def test_the_first_of_equal_keys_counts():
    for read in (as_text, as_cdb):
        assert match(read(b"1.2.3.4:deny\n1.2.3.4:allow\n"), b"1.2.3.4", None, None).allow is False


NETWORKS = b"""\
10.0.0.0/8:allow,N="8"
10.1.0.0/16:allow,N="16"
10.1.2:allow,N="no prefix: no final dot"
10.1.2.3/32:allow,N="32"
10.9.:allow,N="dotted"
10.9.0.0/24:allow,N="longer but later"
fe80::/10:allow,N="link"
FE80::1:allow,N="one"
2001:db8::/32:deny
joe@2001:db8::1:allow,N="joe"
:allow,N="rest"
"""


@pytest.mark.parametrize("read", [as_text, as_cdb])
@pytest.mark.parametrize(
    ("ip", "name"),
    [
        (b"10.200.1.1", b"8"),
        (b"10.1.9.9", b"16"),
        (b"10.1.2.4", b"16"),
        (b"10.1.2.3", b"32"),
        (b"10.9.0.7", b"dotted"),
        (b"::ffff:10.1.9.9", b"16"),
        (b"fe80::2", b"link"),
        (b"fe80:0::0001", b"one"),
        (b"2001:db8:1::1", None),
        (b"2001:db9::1", b"rest"),
        (b"unknown", b"rest"),
    ],
)
def test_networks(read, ip, name):
    assert dict(match(read(NETWORKS), ip, None, None).environment).get(b"N") == name


def test_info_with_an_ipv6_address():
    found = match(as_text(NETWORKS), b"2001:0db8::1", None, b"joe")
    assert dict(found.environment) == {b"N": b"joe"}
