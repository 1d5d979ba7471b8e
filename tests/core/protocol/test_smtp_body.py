import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.protocol.smtp_body import BodyEncoder, PartialLineError, encode


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\n", b"a\r\n.\r\n"),
        (b".\n", b"..\r\n.\r\n"),
        (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"..a\n", b"...a\r\n.\r\n"),
        (b"\n\n", b"\r\n\r\n.\r\n"),
        (b"a\r\n.\r\n", b"a\r\n..\r\n.\r\n"),
        (b"a\rb\n", b"a b\r\n.\r\n"),
        (b"a\r.\r\n", b"a .\r\n.\r\n"),
        (b"a\n\r.\r\n", b"a\r\n .\r\n.\r\n"),
        (b"a\r\r\n", b"a \r\n.\r\n"),
        (b"a\0\n.\0\n", b"a\0\r\n..\0\r\n.\r\n"),
    ],
)
def test_messages(text, wire):
    assert encode(text) == wire


@pytest.mark.parametrize("text", [b"a", b"a\nb", b"a\n\r", b"\r", b"a\n."])
def test_a_partial_last_line_is_refused(text):
    with pytest.raises(PartialLineError):
        encode(text)


TEXT = st.lists(st.sampled_from([b"\n", b"\r", b".", b"a", b"\0", b"\xff", b"\r\n"]), max_size=40)


@given(TEXT, st.data())
def test_any_split_gives_the_same_bytes(parts, data):
    text = b"".join(parts) + b"\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    encoder = BodyEncoder()
    wire = b""
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        wire += encoder.feed(text[start:end])
    assert wire + encoder.finish() == encode(text)


@given(TEXT)
def test_no_lone_cr_or_lf_and_one_end(parts):
    wire = encode(b"".join(parts) + b"\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", wire)
    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - 3
    # Not even a server that takes other line ends for its own finds an end before.
    for end in (b"\n.\n", b"\r.\r", b"\n.\r"):
        assert (b"\r\n" + wire).find(end) in (-1, len(wire) - 2)
    lines = wire[:-3].split(b"\r\n")
    back = b"\n".join(line[1:] if line.startswith(b".") else line for line in lines)
    assert back == (b"".join(parts) + b"\n").replace(b"\r\n", b"\n").replace(b"\r", b" ")
