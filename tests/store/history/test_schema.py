"""Records of the history: packed, read, and damaged."""

import zlib

import pytest
import zstandard

from glassmail.events.codec import encode
from glassmail.events.queue import Ended
from glassmail.store.history import schema
from glassmail.store.history.schema import HistoryError

EVENTS = [Ended(at, 7) for at in range(1_000)]


def test_a_long_record_is_compressed_and_comes_back():
    data = schema.pack([encode(EVENTS[:500]), encode(EVENTS[500:])])
    assert len(data) < len(schema.unpacked(data)) / 3
    assert schema.unpack(data) == EVENTS
    assert [len(events) for _batch, events in schema.batches(data)] == [500, 500]


def test_a_short_record_is_plain():
    data = schema.pack([encode(EVENTS[:1])])
    assert data[1:] == schema.unpacked(data)
    assert schema.unpack(data) == EVENTS[:1]


def test_records_of_before_are_read():
    body = schema.unpacked(schema.pack([encode(EVENTS)]))
    assert schema.unpack(b"\1" + zlib.compress(body, 1)) == EVENTS
    with pytest.raises(HistoryError, match="it has no end"):
        schema.unpack(b"\1" + zlib.compress(body, 1)[:-9])


def test_damaged_records_say_so():
    data = schema.pack([encode(EVENTS)])
    mask = bytes([data[len(data) // 2] ^ 0xFF])
    changed = data[:100] + mask + data[101:]
    damaged = [data[:20], data[:-9], b"\1", b"\1no frame", changed, b"\0\xc1"]
    for each in damaged:
        with pytest.raises(HistoryError, match="a record is damaged"):
            schema.unpack(each)


def test_a_record_that_says_it_is_very_long_takes_no_memory():
    frame = zstandard.ZstdCompressor().compressobj(size=schema.RECORD_BYTES_MAX + 1)
    data = b"\1" + frame.compress(b"x" * schema.RECORD_BYTES_MAX + b"x") + frame.flush()
    with pytest.raises(HistoryError, match="very long"):
        schema.unpacked(data)
