import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.limits import HEADER_SCAN_BYTES_MAX, MESSAGE_ID_BYTES_MAX
from glassmail.core.protocol.header_scan import HeaderScan


def scan(*pieces):
    header = HeaderScan()
    for piece in pieces:
        if not header.is_done:
            header.feed(piece)
    header.finish()
    return header


@pytest.mark.parametrize(
    ("text", "hops"),
    [
        (b"Received: a\nreceived: b\nRECEIVED-spf: c\nDelivered-To: d\n\nReceived: body\n", 4),
        (b"X: Received: a\n Received: folded\n\n", 0),
        (b"\nReceived: a\n", 0),
        (b"Received: no end of header", 1),
        (b"", 0),
    ],
)
def test_hops(text, hops):
    assert scan(text).hops == hops


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        (b"Message-ID: <a@b>\n\n", b"<a@b>"),
        (b"message-id:<a@b>\nSubject: x\n\n", b"<a@b>"),
        (b"Subject: x\nMESSAGE-ID: \n\t<a@b>\n c\nFrom: y\n\n", b"<a@b>c"),
        (b"Message-ID: <a@b>", b"<a@b>"),
        (b"Subject: x\n\nMessage-ID: <body>\n", b""),
        (b"Message-ID: " + b"x" * 2_000 + b"\n\n", b"x" * MESSAGE_ID_BYTES_MAX),
    ],
)
def test_message_id(text, message_id):
    assert scan(text).message_id == message_id


LINES = st.sampled_from([b"Received: x\n", b"A: b\n", b"\n", b"Message-ID: <i>\n"])


@given(st.lists(LINES), st.data())
def test_any_split_gives_the_same(lines, data):
    text = b"".join(lines)
    at = data.draw(st.integers(0, len(text)))
    whole, parts = scan(text), scan(text[:at], text[at:])
    assert (whole.hops, whole.message_id) == (parts.hops, parts.message_id)


def test_a_header_without_end_is_looked_at_once():
    header = HeaderScan()
    line = b"Received: x\n"
    for _ in range(HEADER_SCAN_BYTES_MAX // len(line) + 2):
        header.feed(line)
        if header.is_done:
            break
    assert header.is_done
    assert header.hops == HEADER_SCAN_BYTES_MAX // len(line)
