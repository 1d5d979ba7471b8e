from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.queue_envelope import EnvelopeError, EnvelopeParser, render
from glassmail.core.model.limits import RECIPIENTS_BYTES_MAX

ADDRESS = st.binary(max_size=30).map(lambda b: b.replace(b"\0", b""))


def parse(*pieces):
    """Return what came out, or the exit code."""
    parser = EnvelopeParser()
    try:
        for piece in pieces:
            if not parser.is_complete:
                parser.feed(piece)
        parser.end_of_file()
    except EnvelopeError as error:
        return error.exit_code
    return parser.sender, tuple(parser.recipients)


@given(ADDRESS, st.lists(ADDRESS).map(tuple), st.binary())
def test_written_and_read_again_it_is_the_same(sender, recipients, rest):
    assert parse(render(sender, recipients) + rest) == (sender, recipients)


@given(st.lists(st.sampled_from([b"F", b"T", b"\0", b"a@b", b"x" * 600])).map(b"".join),
       st.lists(st.integers(0, 2000)))  # fmt: skip
def test_pieces_do_not_matter(data, cuts):
    at = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(at)]
    assert parse(*pieces) == parse(data)


@pytest.mark.parametrize(
    ("data", "exit_code"),
    [
        (b"", 54), (b"F", 54), (b"Fa", 54), (b"Fa\0", 54), (b"Fa\0Tb", 54), (b"Fa\0Tb\0", 54),
        (b"\0", 91), (b"Ta\0", 91), (b"Fa\0Fb\0", 91), (b"F" + b"a" * 1003, 11),
        (b"F" + b"a" * 1002, 54),
        (b"F\0" + (b"T" + b"a" * 1000 + b"\0") * (RECIPIENTS_BYTES_MAX // 1000 + 1), 31),
    ],
)  # fmt: skip
def test_faults(data, exit_code):
    assert parse(data) == exit_code
