import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.header_tokens import tokenise, unquote
from glassmail.core.formats.quote import quote_address, quote_local


@pytest.mark.parametrize(
    ("plain", "quoted"),
    [
        (b"", b""),
        (b"a.b@c", b"a.b@c"),
        (b"@c", b'""@c'),
        (b".a@c", b'".a"@c'),
        (b"a.@c", b'"a."@c'),
        (b"a..b@c", b'"a..b"@c'),
        (b"a b@c d", b'"a b"@c d'),
        (b"a@b@c", b'"a@b"@c'),
        (b'a"\\\r\n@c', b'"a\\"\\\\\\\r\\\n"@c'),
        (b"\xff@c", b'"\xff"@c'),
        (b"a b", b'"a b"'),
        (b"~`!{|}@c", b"~`!{|}@c"),
    ],
)
def test_addresses(plain, quoted):
    assert quote_address(plain) == quoted


@given(st.binary(min_size=1))
def test_unquoted_it_is_the_same_again(local):
    assert unquote(tokenise(quote_local(local))) == local
