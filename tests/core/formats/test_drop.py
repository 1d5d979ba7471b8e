import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.drop import (
    ENVELOPE_BYTES_MAX,
    HEAD_BYTES,
    DropError,
    DropHead,
    parse_envelope,
    parse_head,
    render_envelope,
    render_head,
)
from glassmail.core.model.envelope import Envelope

ADDRESS = st.binary(max_size=1_002).filter(lambda b: b"\0" not in b)
SUM = b"0123456789abcdef" * 4


@given(st.integers(0, 10**20 - 1), st.integers(0, ENVELOPE_BYTES_MAX))
def test_heads(body_size, envelope_size):
    head = DropHead(body_size, envelope_size, SUM)
    assert len(render_head(head)) == HEAD_BYTES
    assert parse_head(render_head(head)) == head


@given(ADDRESS, st.lists(ADDRESS).map(tuple))
def test_envelopes(sender, recipients):
    envelope = Envelope(sender, recipients)
    assert parse_envelope(render_envelope(envelope)) == envelope


@given(st.binary(), st.integers(0, HEAD_BYTES - 1))
def test_damaged_heads_are_refused_or_plain(data, at):
    line = bytearray(render_head(DropHead(5, 9, SUM)))
    line[at : at + len(data)] = data
    try:
        assert len(parse_head(bytes(line))) == 3
    except DropError:
        return


@pytest.mark.parametrize(
    "data",
    [b"", b"1", b"1:", b"1:a", b"1:a;", b":a,", b"x:a,", b"-1:a,", b"2:a,", b"0000001:a,",
     b"1:\0,", b"1003:" + b"a" * 1003 + b",", b"1:a,x"],
)  # fmt: skip
def test_damaged_envelopes_are_refused(data):
    with pytest.raises(DropError):
        parse_envelope(data)


@pytest.mark.parametrize(
    "line", [bytes(HEAD_BYTES), b"", render_head(DropHead(1, 1, SUM))[:-1] + b"x",
             render_head(DropHead(1, 1, SUM)).replace(b"f", b"F"),
             render_head(DropHead(1, ENVELOPE_BYTES_MAX + 1, SUM))]
)  # fmt: skip
def test_other_heads_are_refused(line):
    with pytest.raises(DropError):
        parse_head(line)
