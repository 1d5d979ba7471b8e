from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.header_fields import (
    HeaderSplitter,
    HeaderTooLongError,
    is_field,
    known_name,
)
from glassmail.core.model.limits import INJECT_HEADER_BYTES_MAX

LINES = [b"A: b", b" c", b"\n", b"From x", b"bad", b"", b":", b"\xff: x"]


def split(*pieces):
    splitter = HeaderSplitter()
    rest = b""
    for piece in pieces:
        if splitter.is_complete:
            rest += piece
        else:
            splitter.feed(piece)
    if not splitter.is_complete:
        splitter.end_of_file()
    return splitter.fields, splitter.body + rest


@pytest.mark.parametrize(
    ("message", "fields", "body"),
    [
        (b"", [], b""),
        (b"\n", [], b"\n"),
        (b"A: b", [b"A: b\n"], b""),
        (b"A: b\n c\n\td\nE:\n\nx\n", [b"A: b\n c\n\td\n", b"E:\n"], b"\nx\n"),
        (b"From me\nA: b\n\n", [b"MBOX-Line: From me\n", b"A: b\n"], b"\n"),
        (b"A: b\nFrom me\n", [b"A: b\n", b"MBOX-Line: From me\n"], b""),
        (b"A: b\nno field\nC: d\n", [b"A: b\n"], b"\nno field\nC: d\n"),
        (b" A: b\n", [], b"\n A: b\n"),
        (b"A: b\n \n\nx", [b"A: b\n \n"], b"\nx"),
        (b"no", [], b"\nno\n"),
    ],
)
def test_where_the_header_ends(message, fields, body):
    assert split(message) == (fields, body)


@given(
    st.lists(st.sampled_from(LINES)).map(b"\n".join),
    st.lists(st.integers(0, 60)),
)
def test_pieces_do_not_matter(message, cuts):
    at = sorted({min(cut, len(message)) for cut in cuts} | {0, len(message)})
    pieces = [message[a:b] for a, b in pairwise(at)]
    fields, body = split(*pieces)
    whole_fields, whole_body = split(message)
    assert (fields, body.rstrip(b"\n")) == (whole_fields, whole_body.rstrip(b"\n"))


def test_its_length_is_limited():
    with pytest.raises(HeaderTooLongError):
        split(b"A" * 2**20 * 17)
    with pytest.raises(HeaderTooLongError):
        split(*[b"A: " + b"b" * 65_536 + b"\n"] * (INJECT_HEADER_BYTES_MAX // 65_536 + 1))


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b"To: x", b"to"),
        (b"rEsEnT-To \t: x", b"resent-to"),
        (b"To", b""),
        (b"Tox: x", b""),
        (b"X-To: x", b""),
        (b" To: x", b""),
    ],
)
def test_known_names(field, name):
    assert known_name(field) == name


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"A:", True), (b"A : x", True), (b"!~: x", True), (b":", False), (b" : x", False),
        (b"A B: x", False), (b"A\xc3: x", False), (b"A\x7f: x", False), (b"A", False),
    ],
)  # fmt: skip
def test_what_begins_a_field(line, answer):
    assert is_field(line) is answer
