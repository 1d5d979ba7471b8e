import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.spf_terms import SpfTerm, ends_of, is_spf, parse


def test_terms_that_name_senders():
    text = (
        b"v=spf1 ip4:192.0.2.0/24 +ip6:2001:db8::/32 a mx/24 a:b.test/25//64 include:_spf.c.test "
        b"-ip4:198.51.100.1 exists:%{i}.d.test ptr ip4:nonsense redirect=e.test ~all"
    )
    assert parse(text) == (
        SpfTerm("ip4", "192.0.2.0 192.0.2.255"),
        SpfTerm("ip6", "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        SpfTerm("a", ""),
        SpfTerm("mx", "", 24),
        SpfTerm("a", "b.test", 25, 64),
        SpfTerm("include", "_spf.c.test"),
        SpfTerm("redirect", "e.test"),
    )


@pytest.mark.parametrize(
    ("text", "expected"), [(b"v=spf1", True), (b"V=SPF1 -all", True), (b"v=spf10 x", False)]
)
def test_records(text, expected):
    assert is_spf(text) is expected


def test_networks():
    assert ends_of("192.0.2.7/30") == ("192.0.2.4", "192.0.2.7")
    assert ends_of("192.0.2.7") == ("192.0.2.7", "192.0.2.7")
    assert ends_of("x") is None


@given(st.binary(max_size=300))
def test_any_record(text):
    for term in parse(b"v=spf1 " + text):
        assert 0 <= term.prefix4 <= 32
        assert 0 <= term.prefix6 <= 128
