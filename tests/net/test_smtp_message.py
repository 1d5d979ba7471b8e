import asyncio
import os

import pytest

from glassmail.core.protocol.smtp_body import END, encode
from glassmail.net.smtp_message import CHUNK_BYTES, BodyError, OutgoingMessage


def _spooled(tmp_path, head, body, size=None):
    path = tmp_path / "body"
    path.write_bytes(body)
    size = len(head) + len(body) if size is None else size
    return OutgoingMessage(head, None, os.open(path, os.O_RDONLY), size)


TEXTS = [b"a\n", b".a\n..\n", b"\xff\n", b"a\r\nb\rc\n", (b"." * 70 + b"\n") * 3000]


@pytest.mark.parametrize("body", TEXTS)
def test_a_spooled_body_is_the_same_on_the_wire_as_a_small_one(tmp_path, body):
    head = b"Received: x\n\n"
    small = OutgoingMessage(head, body, -1, 0)
    large = _spooled(tmp_path, head, body)
    for message in (small, large):
        asyncio.run(message.measure())
    assert small.is_small
    assert not large.is_small
    assert (small.wire_size, small.is_ascii, small.is_whole) == (
        large.wire_size, large.is_ascii, large.is_whole
    )  # fmt: skip
    assert b"".join(large.pieces()) + END == small.encoded == encode(head + body)
    assert max(map(len, large.pieces())) < 2 * CHUNK_BYTES
    large.close()
    large.close()


def test_a_body_that_is_too_short(tmp_path):
    message = _spooled(tmp_path, b"h\n", b"body\n", size=8)
    with pytest.raises(BodyError, match="7 bytes instead of 8"):
        asyncio.run(message.measure())
    message.close()


def test_a_last_line_without_newline(tmp_path):
    for message in (OutgoingMessage(b"h\n", b"x", -1, 0), _spooled(tmp_path, b"h\n", b"x")):
        asyncio.run(message.measure())
        assert not message.is_whole
        message.close()


def test_a_closed_descriptor():
    message = OutgoingMessage(b"h\n", None, -1, 0)
    with pytest.raises(BodyError):
        asyncio.run(message.measure())
