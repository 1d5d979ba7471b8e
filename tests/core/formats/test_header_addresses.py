import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.header_addresses import read_addresses
from glassmail.core.formats.header_tokens import COMMA, render, tokenise, unquote
from tests.core.formats.test_header_tokens import AWKWARD


def found(text):
    parsed = read_addresses(tokenise(b"To: " + text))
    return parsed.is_whole, [unquote(a) for a in parsed.addresses()]


@pytest.mark.parametrize(
    ("text", "addresses"),  # from right to left
    [
        (b"", []),
        (b"a@b", [b"a@b"]),
        (b"a, b@c.d", [b"b@c.d", b"a"]),
        (b"a b c", [b"c", b"b", b"a"]),
        (b"a.b @ c . d", [b"a.b@c.d"]),
        (b"A B <a@b>, C <>", [b"", b"a@b"]),
        (b'"A, B" <a@b> (x) c', [b"c", b"a@b"]),
        (b"<@r,@s:a@b>", [b"@r,@s:a@b"]),
        (b"g: a, b;, c", [b"c", b"b", b"a"]),
        (b"undisclosed recipients: ;", []),
        (b"a, g:;", [b"a"]),
        (b"a;", [b"a"]),
        (b",,a,,", [b"a"]),
        (b"a (b) c@d (e)", [b"c@d", b"a"]),
    ],
)
def test_addresses(text, addresses):
    assert found(text) == (True, addresses)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (b"@r:a@b", [b"a@b"]),
        (b"x, a:b", [b"b"]),
        (b"a; b;", [b"b"]),
        (b"a> b", [b"b", b"a"]),
    ],
)
def test_what_was_found_before_the_fault_stays(text, addresses):
    assert found(text) == (False, addresses)


def test_a_missing_comma_is_put_in():
    parsed = read_addresses(tokenise(b"To: a@b c@d <e@f>"))
    assert render(parsed.tokens()) == b"To: a@b c@d <e@f>\n"
    parsed = read_addresses(tokenise(b"To: a@b c@d"))
    assert render(parsed.tokens()) == b"To: a@b, c@d\n"


@given(AWKWARD)
def test_nothing_but_commas_is_added_and_nothing_is_lost(text):
    tokens = tokenise(b"To: " + text)
    if tokens is None:
        return
    parsed = read_addresses(tokens)
    if parsed.is_whole:
        # token822.c moves a comment behind the address that it stood before.
        assert sorted(t for t in parsed.tokens() if t[0] != COMMA) == sorted(
            t for t in tokens if t[0] != COMMA
        )
        assert len(parsed.tokens()) >= len(tokens)


@given(st.lists(st.sampled_from([b"a@b.c", b"x <a@b>", b"(c) d", b"<>", b'"q"@h'])))
def test_reading_what_was_written_finds_the_same(parts):
    first = read_addresses(tokenise(b"To: " + b", ".join(parts)))
    again = read_addresses(tokenise(render(first.tokens())))
    assert again.addresses() == first.addresses()
    assert len(first.addresses()) == len(parts)
