import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.quote import quote_address
from glassmail.core.protocol import smtp_envelope


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (b"", b"<>"),
        (b"#@[]", b"<#@[]>"),
        (b"a.b-c+d@x.example", b"<a.b-c+d@x.example>"),
        (b"a b@x.example", b'<"a b"@x.example>'),
        (b"a@b@x.example", b'<"a@b"@x.example>'),
        (b'a"b\\c@x.example', b'<"a\\"b\\\\c"@x.example>'),
        (b".a@x.example", b'<".a"@x.example>'),
        (b"a..b@x.example", b'<"a..b"@x.example>'),
        (b"@x.example", b'<""@x.example>'),
        (b"nobody", b"<nobody>"),
        ("jürgen@x.example".encode(), '<"jürgen"@x.example>'.encode()),
    ],
)
def test_addresses(address, line):
    assert smtp_envelope.mail(address) == b"MAIL FROM:" + line + b"\r\n"
    assert smtp_envelope.rcpt(address) == b"RCPT TO:" + line + b"\r\n"


def test_smtputf8_needs_no_quotes_for_8_bit_bytes():
    address = "jürgen@x.example".encode()
    assert smtp_envelope.rcpt(address, utf8=True) == b"RCPT TO:<" + address + b">\r\n"
    assert smtp_envelope.quoted("j ü@x".encode(), utf8=True) == '"j ü"@x'.encode()


@pytest.mark.parametrize(
    "address",
    [b"a\r\nRSET@x", b"a\n@x", b"a\0@x", b"a@x\n", b"a@x y", b"a@x>", b"a@<x", b"a\x7f@x", b"\n"],
)
def test_what_cannot_be_sent(address):
    assert not smtp_envelope.is_sendable(address)


@given(st.binary(min_size=1, max_size=20), st.binary(max_size=10))
def test_what_is_sent_is_one_line_quoted_as_in_headers(local, domain):
    address = local + b"@" + domain
    if smtp_envelope.is_sendable(address):
        line = smtp_envelope.rcpt(address)
        assert not set(line[:-2]) & {0, 10, 13}
        assert smtp_envelope.quoted(address) == quote_address(address)
