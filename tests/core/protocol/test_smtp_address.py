import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.protocol.smtp_address import (
    SmtpAddress,
    _parse_slowly,
    declared_size,
    parse,
    replace_literal,
)


# What qmail-smtpd.c addrparse makes of it (reference A2, smtpd-session-norelay.txt).
@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        (b"FROM:<a@b>", b"a@b", b""),
        (b"FROM:<a@b> SIZE=99 BODY=8BITMIME", b"a@b", b" SIZE=99 BODY=8BITMIME"),
        (b"TO:<>", b"", b""),
        (b"TO:<nodomain>", b"nodomain", b""),
        (b"FROM: sender@src.test", b"sender@src.test", b""),
        (b"FROM:   a@b SIZE=1", b"a@b", b"SIZE=1"),
        (b"TO:<@src,@route:joe@virt.test>", b"joe@virt.test", b""),
        (b"TO:<@src>", b"", b""),
        (b'TO:<"quoted joe"@virt.test>', b"quoted joe@virt.test", b""),
        (b'TO:<"a>b"@c> X', b"a>b@c", b" X"),
        (b"TO:<a\\>b@c>", b"a>b@c", b""),
        (b'TO:<"a\\"b"@c>', b'a"b@c', b""),
        (b"TO:<a b@c>", b"a b@c", b""),
        (b"TO:<a@b", b"a@b", b""),
        (b"", b"", b""),
        (b"FROM", b"", b""),
        (b"x<y<z>", b"y<z", b""),
        (b"TO:<j\xc3\xb6e@b>", b"j\xc3\xb6e@b", b""),
    ],
)
@pytest.mark.covers(
    "address/bracket",
    "address/no bracket",
    "address/source route",
    "address/quotes",
    "address/parameters",
    "address/empty recipient",
)
def test_parse(text, address, rest):
    assert parse(text) == SmtpAddress(address, rest)


@pytest.mark.parametrize(
    "bad", [b"TO:<a\0b@c>", b"TO:<a\rb>", b"TO: a\tb", b"TO:<a\x7f>", b'TO:<"\n">']
)
def test_control_bytes_are_refused(bad):
    assert parse(bad) is None


@pytest.mark.covers("address/too long")
def test_length():
    # qmail counts the NUL it puts behind the address.
    assert parse(b"TO:<" + b"x" * 899 + b">") is not None
    assert parse(b"TO:<" + b"x" * 900 + b">") is None
    assert parse(b"TO: " + b"x" * 900) is None


@given(st.lists(st.sampled_from([*b'<>@"\\: ,ab.'])).map(bytes))
def test_the_quick_way_agrees_with_the_slow_one(text):
    assert parse(text) == _parse_slowly(text)


@given(st.binary(max_size=100))
def test_anything_is_parsed_or_refused(text):
    parsed = parse(text)
    assert parsed is None or not any(byte < 32 or byte == 127 for byte in parsed.address)


@pytest.mark.parametrize(
    ("rest", "size"),
    [
        (b"", 0),
        (b" SIZE=99", 99),
        (b" BODY=8BITMIME size=7 SMTPUTF8", 7),
        (b" SIZE=", 0),
        (b" SIZE=-1", 0),
        (b" SIZE=1_0", 0),
        (b" SIZE=+1", 0),
        (" SIZE=\u0661".encode(), 0),
        (b" SIZE=" + b"9" * 20, 10**20 - 1),
        (b" SIZE=" + b"9" * 21, 0),
    ],
)
def test_declared_size(rest, size):
    assert declared_size(rest) == size


@pytest.mark.parametrize(
    ("address", "replaced"),
    [
        (b"joe@[127.0.0.1]", b"joe@here"),
        (b"joe@[127.0.0.001]", b"joe@here"),
        (b"joe@[127.0.0.2]", b"joe@[127.0.0.2]"),
        (b"joe@[127.0.0.1", b"joe@[127.0.0.1"),
        (b"joe@[127.0.0.1.1]", b"joe@[127.0.0.1.1]"),
        (b"joe@[127.0.0.256]", b"joe@[127.0.0.256]"),
        (b"joe@[127.0.0.]", b"joe@[127.0.0.]"),
        (b"[127.0.0.1]", b"[127.0.0.1]"),
    ],
)
@pytest.mark.covers("address/own literal")
def test_replace_literal(address, replaced):
    assert replace_literal(address, "127.0.0.1".__eq__, b"here") == replaced
    assert replace_literal(address, "127.0.0.1".__eq__, b"") == address
