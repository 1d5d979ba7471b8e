import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassmail.core.protocol.data_reader import BareLineEnd, DataReader

# hazards.md, "Line endings and smuggling": none of these ends DATA.
FALSE_ENDS = [
    b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n",
]  # fmt: skip
SMUGGLED = b"MAIL FROM:<evil@example>\r\n"


def read(chunks, size_max=0, *, is_mending=False):
    """Feed chunks up to the end; return (reader, stored bytes)."""
    reader = DataReader(size_max, is_mending=is_mending)
    stored = b""
    chunks = list(chunks)
    while chunks:
        stored += reader.feed(chunks.pop(0))
        if reader.rest is not None:
            reader.rest += b"".join(chunks)
            break
    return reader, stored


def model(wire):
    """Say it again the slow way: (stored or None when a line end is bare, rest or None)."""
    body, found, rest = (b"\r\n" + wire).partition(b"\r\n.\r\n")
    if not found:
        return None, None
    raw = (body + b"\r\n")[2:]
    if re.search(rb"\r(?!\n)|(?<!\r)\n", raw):
        return None, rest
    lines = [line.removeprefix(b".") for line in raw.split(b"\r\n")]
    return b"\n".join(lines), rest


def splits(data):
    """Every way to cut data into two, and into single bytes."""
    yield [data]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    yield [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize("behind", [b"", SMUGGLED])
@pytest.mark.parametrize("before", [b"", b"Subject: x\r\n\r\nbody"])
@pytest.mark.parametrize("false_end", FALSE_ENDS)
def test_false_ends_never_end(false_end, before, behind):
    for chunks in splits(before + false_end + SMUGGLED):
        reader, _ = read(chunks)
        assert reader.rest is None
    for chunks in splits(before + false_end + SMUGGLED + b"\r\n.\r\n" + behind):
        reader, stored = read(chunks)
        assert reader.rest == behind
        if b"\0" in false_end:
            assert reader.bare is None
            assert SMUGGLED.replace(b"\r\n", b"\n") in stored
            assert b"\0" in stored
        else:
            assert reader.bare is not None


# As the first bytes of DATA a form's leading CR LF may be the pretended one.
@pytest.mark.parametrize(
    "first", [b".\n", b".\r", b"\0.\r\n", b".\0\r\n", b".\r\r\n", b"\r.\r\n", b"\n.\r\n"]
)
def test_false_ends_as_first_bytes(first):
    for chunks in splits(first + SMUGGLED):
        assert read(chunks)[0].rest is None


def test_dot_as_first_line_ends_an_empty_body():
    for chunks in splits(b".\r\nQUIT\r\n"):
        reader, stored = read(chunks)
        assert (stored, reader.size, reader.rest) == (b"", 0, b"QUIT\r\n")


def test_dots_are_unstuffed():
    reader, stored = read([b"..one\r\n.two\r\n...\r\na.b\r\n.\r\n"])
    assert stored == b".one\ntwo\n..\na.b\n"
    assert reader.size == len(stored)


pieces = st.sampled_from(
    [
        b"\r\n", b"\r", b"\n", b".", b"..", b"\r\n.", b"\r\n.\r\n", b"a", b"\0", b"\xff",
        b"Received: x\r\n",
    ]
)  # fmt: skip
wires = st.lists(pieces, max_size=14).map(b"".join)


@st.composite
def cut(draw, wire):
    at = sorted(draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    return [wire[a:b] for a, b in zip([0, *at], [*at, len(wire)], strict=True) if a < b]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_split_gives_what_the_model_says(data):
    wire = data.draw(wires)
    stored_model, rest_model = model(wire)
    reader, stored = read(data.draw(cut(wire)))
    whole, _ = read([wire])
    assert reader.rest == rest_model == whole.rest
    if rest_model is not None:
        assert (reader.bare, reader.size) == (whole.bare, whole.size)
        assert reader.header.hops == whole.header.hops
        if stored_model is None:
            assert reader.bare is not None
        else:
            assert reader.bare is None
            assert stored == stored_model
            assert reader.size == len(stored)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_mending_gives_only_line_feeds(data):
    wire = data.draw(wires) + b"\r\n.\r\n"
    reader, stored = read(data.draw(cut(wire)), is_mending=True)
    whole, stored_whole = read([wire], is_mending=True)
    assert (reader.rest, stored, reader.bare) == (whole.rest, stored_whole, None)
    assert b"\r" not in stored
    stored_model, _ = model(wire)
    if stored_model is not None:
        assert stored == stored_model


def test_mending():
    reader, stored = read([b"a\nb\rc\r\n\n.\n..d\r\n.\r\n"], is_mending=True)
    assert stored == b"a\nb c\n\n.\n..d\n"
    assert reader.size == len(stored)


@pytest.mark.parametrize(
    ("wire", "bare"),
    [
        (b"one\r\ntwo\nthree\r\n.\r\n", BareLineEnd("LF", 8, 2)),
        (b"\nx\r\n.\r\n", BareLineEnd("LF", 0, 1)),
        (b"a\rb\r\n.\r\n", BareLineEnd("CR", 1, 1)),
        (b"a\r\r\n.\r\n", BareLineEnd("CR", 1, 1)),
        (b"1\r\n2\r\n3\r\n4\r5\n\r\n.\r\n", BareLineEnd("CR", 10, 4)),
    ],
)
def test_bare_line_ends_are_located(wire, bare):
    for chunks in splits(wire):
        assert read(chunks)[0].bare == bare


def test_beyond_the_limit_nothing_is_given_out_but_the_end_is_found():
    for chunks in splits(b"12345\r\n7890\r\n.\r\n"):
        reader, stored = read(chunks, size_max=10)
        assert reader.is_too_long
        assert reader.size == 11
        assert len(stored) <= 10
        assert reader.rest == b""
    assert not read([b"12345\r\n7890\r\n.\r\n"], size_max=11)[0].is_too_long


def test_what_is_carried_stays_small():
    reader = DataReader(0)
    for _ in range(1_000):
        reader.feed(b"x" * 1_000)
    assert len(reader._carry) <= 4
    assert reader.size == 1_000_000
