import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.header_tokens import (
    AT,
    ATOM,
    COLON,
    COMMA,
    COMMENT,
    DOT,
    LEFT,
    LINE_BYTES,
    LITERAL,
    QUOTE,
    RIGHT,
    SEMI,
    render,
    tokenise,
    unquote,
)

MARKS = {b"<": LEFT, b">": RIGHT, b"@": AT, b",": COMMA, b";": SEMI, b":": COLON, b".": DOT}
OPENING = {b"(": (COMMENT, b")"), b'"': (QUOTE, b'"'), b"[": (LITERAL, b"]")}
_BYTES = [bytes([byte]) for byte in b'ab \t\n\\"()[]<>@,;:.+\x7f\xff\x00']
AWKWARD = st.lists(st.sampled_from(_BYTES)).map(b"".join)
ENDS_ATOM = [bytes([byte]) for byte in b' \t\r\n(["<>;:@,.']
WORD = st.text(alphabet="abcXYZ019!#$%&'*+-/=?^_`{|}~", min_size=1).map(str.encode)
TEXT = st.binary(min_size=1).filter(lambda b: b"\n" not in b)
TOKENS = st.lists(
    st.one_of(
        st.tuples(st.just(ATOM), WORD),
        st.tuples(st.sampled_from([QUOTE, LITERAL, COMMENT]), TEXT),
        st.sampled_from([(kind, mark) for mark, kind in MARKS.items()]),
    )
)


def slow(data):
    """The same, byte by byte."""
    tokens, at = [], 0

    def escaped(i):
        return data[i + 1 : i + 2], i + 2

    while at < len(data):
        byte = data[at : at + 1]
        if byte in MARKS:
            tokens.append((MARKS[byte], byte))
            at += 1
        elif byte in b" \t\r\n":
            at += 1
        elif byte in b")]":
            return None
        elif byte in OPENING:
            kind, closing = OPENING[byte]
            text, level, at = b"", 1, at + 1
            while level:
                if at >= len(data):
                    return None
                inner = data[at : at + 1]
                if inner == b"\\":
                    if at + 1 >= len(data):
                        return None
                    more, at = escaped(at)
                    text += more
                    continue
                at += 1
                if inner == closing:
                    level -= 1
                elif kind == COMMENT and inner == b"(":
                    level += 1
                else:
                    text += inner
            tokens.append((kind, text))
        else:
            text = b""
            while at < len(data) and data[at : at + 1] not in ENDS_ATOM:
                if data[at : at + 1] == b"\\":
                    more, at = escaped(at)
                    text += more
                else:
                    text += data[at : at + 1]
                    at += 1
            odd = any(b < 32 or b > 126 or b in b")]\\" for b in text)
            tokens.append((QUOTE if odd else ATOM, text))
    return tokens


@given(AWKWARD | st.binary())
def test_it_is_what_the_slow_one_says(data):
    assert tokenise(data) == slow(data)


@given(TOKENS)
def test_written_and_read_again_it_is_the_same(tokens):
    assert tokenise(render(tokens)) == tokens


@given(AWKWARD | st.binary())
def test_anything_can_be_written_and_no_line_is_longer_than_it_must_be(data):
    tokens = tokenise(data)
    if tokens is None:
        return
    written = render(tokens)
    assert written.endswith(b"\n")
    lines = written[:-1].split(b"\n")
    assert all(line.startswith((b" ", b"\t")) for line in lines[1:])
    if b"\n" not in b"".join(text for _kind, text in tokens):
        assert all(len(line) <= LINE_BYTES or b"," not in line[:-1] for line in lines)


def test_comments_in_comments_lose_their_parentheses():
    assert tokenise(b"(a (b) \\) c)") == [(COMMENT, b"a b ) c")]


def test_a_newline_in_a_name_begins_no_field():
    assert render([(QUOTE, b"me\nBcc: x")]) == b'"me Bcc: x"\n'
    assert render([(QUOTE, b"folded\n name")]) == b'"folded\\\n name"\n'


def test_folding_is_qmails():
    names = b", ".join(b"somebody%d@example.test" % n for n in range(8))
    assert render(tokenise(b"To: " + names)) == (
        b"To: somebody0@example.test, somebody1@example.test, somebody2@example.test,\n"
        b"  somebody3@example.test, somebody4@example.test, somebody5@example.test,\n"
        b"  somebody6@example.test, somebody7@example.test\n"
    )


@pytest.mark.parametrize("last", [22, 23])
def test_a_line_may_have_78_bytes_and_its_break(last):
    # token822.c measures with the newline and blank that would follow: 80 - 2.
    first = b"To: " + b"a" * 50 + b","
    rest = b" " + b"b" * last
    is_folded = len(first) + len(rest) > LINE_BYTES - 2
    assert render(tokenise(first + rest)) == first + (b"\n " if is_folded else b"") + rest + b"\n"


@pytest.mark.parametrize(
    ("written", "envelope"),
    [
        (b'"a b"@c.d', b"a b@c.d"),
        (b"a\\@b@c", b"a@b@c"),
        (b"x (comment) @ [1.2.3.4]", b"x@[1.2.3.4]"),
        (b"", b""),
    ],
)
def test_unquote(written, envelope):
    assert unquote(tokenise(written)) == envelope


@pytest.mark.parametrize(
    "pattern",
    [b"a,", b"a ", b"\\", b"\\a", b"\\,", b"(", b"()", b"((a))", b'"', b'"a"', b'\\"', b"[", b"[]",
     b"<", b"<>,", b".", b"@", b":", b";", b" ", b"\n ", b"\xff", b"\x00", b")", b"a@b c@d "],
)  # fmt: skip
def test_nothing_takes_more_than_linear_time(pattern):
    # A megabyte takes 0.6 s at most; were it quadratic, this would take minutes.
    data = b"To: " + pattern * (250_000 // len(pattern))
    start = time.process_time()
    tokenise(data)
    assert time.process_time() - start < 1.0
