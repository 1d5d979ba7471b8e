"""Lines of tcprules: what parses, what is refused, ranges, records."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.tcp_rules import (
    TcpRulesError,
    parse,
    read_rule,
    records,
    render_rule,
)


def keys(data):
    return list(parse(data, "rules").rules)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"1.2.3.37-39:deny", [b"1.2.3.37", b"1.2.3.38", b"1.2.3.39"]),
        (b"10.2-3.:deny", [b"10.2.", b"10.3."]),
        (b"1.2.254-300.:deny", [b"1.2.254.", b"1.2.255."]),
        (b"9-10.:deny", [b"9.", b"10."]),
        (b"10.-1:deny", [b"10.0", b"10.1"]),
        (b"1.2.3.4-:deny", []),
        (b"=a-b.test:deny", [b"=a-b.test"]),
        (b"x-y@1.2.3.4:deny", [b"x-y@1.2.3.4"]),
        (b" 1.2.3.4:deny", [b" 1.2.3.4"]),
        (b":deny", [b""]),
        (b"#1:deny", []),
        (b"no colon", []),
        (b"", []),
        (b"::1:deny", [b"0000:0000:0000:0000:0000:0000:0000:0001"]),
        (b"j@::1:deny", [b"j@0000:0000:0000:0000:0000:0000:0000:0001"]),
        (b"128.0.0.0/2:deny", [b"_a0"]),
        (b"10.0.0.0/8:deny", [b"_0000e0g0"]),
        (b"c000::/3:deny", [b"^`a0"]),
    ],
)
def test_keys(line, expected):
    assert keys(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"1.2.3.4:permit",
        b"1.2.3.4:allowed",
        b"1.2.3.4:allow,X",
        b"1.2.3.4:allow,X=",
        b'1.2.3.4:allow,X="a',
        b'1.2.3.4:allow,X="a"b',
        b"1.2.3.4:allow,",
        b"1.x-3:allow",
        b"a:b:allow",
        b"1.2.3.4/33:allow",
        b"1.2.3.4/0:allow",
        b"1.2.3.400/8:allow",
        b"fe80::/129:allow",
        b"fe80::g:allow",
        b"a:b",
    ],
)
def test_refused(line):
    with pytest.raises(TcpRulesError) as caught:
        parse(b"1.1.1.1:allow\n" + line + b" \t\n", "control/tcp.smtp")
    assert (caught.value.line, caught.value.number) == (line, 2)
    assert str(caught.value).startswith("control/tcp.smtp:2: unable to parse this line: ")
    with pytest.raises(TcpRulesError):
        list(records(line, "rules"))


def test_colons_in_values_and_addresses():
    found = parse(b'fe80::1:allow,A="x:deny",B=/"/,C=\'\'\n', "rules")
    (rule,) = found.rules.values()
    assert rule.environment == ((b"A", b"x:deny"), (b"B", b'"'), (b"C", b""))


VARIABLE = st.tuples(
    st.binary(max_size=5).map(lambda b: b.translate(None, b"=\0")),
    st.binary(max_size=9).map(lambda b: b.translate(None, b"\0")),
)


@given(st.booleans(), st.lists(VARIABLE, max_size=4))
def test_records_round_trip(allow, environment):
    rule = read_rule(render_rule(allow, tuple(environment)), "here")
    assert rule == (allow, tuple(environment), "here")


def test_records_of_the_text():
    data = b'1.2-3.:deny,A="b"\n:allow\n'
    assert list(records(data, "rules")) == [
        (b"1.2.", b"D\0+A=b\0"),
        (b"1.3.", b"D\0+A=b\0"),
        (b"", b""),
    ]
