"""Tables of one day's file, and how a connection to it is set up.

record    batches of events as they came (events.codec), compressed: `pack` and `unpack`.
segment   ranges of records whose keys are in pages; the records after the last one are few, and
          their keys are kept in the log's memory or made again from them.
page      sorted entries (keys.pages); id is the segment's number and the page's first key.
run       when the log process took events: a stretch between two runs is a gap.
gap       events that are known to be missing, with a sentence.
fact      the last row number of the queue's facts that is held, per queue store.
visit     the sessions of each client address (visits).
"""

import zlib

import apsw
import msgspec
import zstandard

from glassmail.events import codec
from glassmail.events.codec import AnyEvent
from glassmail.store.history.keys import HASH_BITS
from glassmail.store.history.visits import TABLE as VISIT_TABLE

APPLICATION_ID = 0x676C6869  # "glhi"
PLAIN_BYTES_MAX = 400  # shorter records are not worth compressing
RECORD_BYTES_MAX = 134_217_728  # of a record when unpacked; a longer one is damaged
_PLAIN = b"\0"
_COMPRESSED = b"\1"

TABLES = """
CREATE TABLE IF NOT EXISTS record(
  id INTEGER PRIMARY KEY, began INTEGER NOT NULL, ended INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS segment(
  id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
  began INTEGER NOT NULL, ended INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS page(id INTEGER PRIMARY KEY, entries BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS run(
  id INTEGER PRIMARY KEY, began INTEGER NOT NULL, seen INTEGER NOT NULL,
  ended INTEGER, continues INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS gap(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fact(
  store INTEGER PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL);
"""

_packer = msgspec.msgpack.Encoder()
_unpacker = msgspec.msgpack.Decoder(list[bytes])
# Measured: 2 us a message, 83 bytes; zlib's lowest level took 8 us for 123 bytes.
_compress = zstandard.ZstdCompressor(level=1).compress
_decompressor = zstandard.ZstdDecompressor()


class HistoryError(Exception):
    """The history cannot be read or written; the text names the file and the reason.

    Attributes:
        is_damaged: the file itself is at fault, another one would do.
    """

    def __init__(self, text: str, *, is_damaged: bool = False) -> None:
        super().__init__(text)
        self.is_damaged = is_damaged


def open_for_writing(path: str) -> apsw.Connection:
    """Open or make a day's file; raises HistoryError."""
    try:
        db = apsw.Connection(path)
        db.set_busy_timeout(2_000)
        db.execute("PRAGMA page_size=4096")
        db.execute("PRAGMA journal_mode=WAL").fetchall()
        db.execute("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000")
        db.execute("PRAGMA cache_size=-4000")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(TABLES + VISIT_TABLE)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise HistoryError(f"{path}: {error}", is_damaged=True) from error
    except apsw.Error as error:
        raise HistoryError(f"{path}: {error}") from error
    return db


def pack(batches: list[bytes]) -> bytes:
    """Make a record of encoded batches."""
    return repacked(_packer.encode(batches))


def unpack(data: bytes) -> list[AnyEvent]:
    """Return the events of a record; raises HistoryError when it is damaged."""
    return [event for _batch, events in batches(data) for event in events]


def batches(data: bytes) -> list[tuple[bytes, list[AnyEvent]]]:
    """Return the encoded batches of a record with their events; raises HistoryError."""
    body = unpacked(data)
    try:
        return [(batch, codec.decode(batch)) for batch in _unpacker.decode(body)]
    except msgspec.MsgspecError as error:
        raise HistoryError(f"a record is damaged: {error}") from error


def unpacked(data: bytes) -> bytes:
    """Return the encoded batches of a record; raises HistoryError when it is damaged."""
    if data[:1] != _COMPRESSED:
        return data[1:]
    if not data.startswith(zstandard.FRAME_HEADER, 1):
        return _inflated(data[1:])
    try:
        if zstandard.frame_content_size(data[1:]) > RECORD_BYTES_MAX:  # room is made by it
            raise HistoryError("a record is damaged: it says that it is very long")
        return _decompressor.decompress(data[1:])
    except zstandard.ZstdError as error:
        raise HistoryError(f"a record is damaged: {error}") from error


def _inflated(data: bytes) -> bytes:
    """Unpack a record of a history that was begun before records were compressed by zstandard."""
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(data, RECORD_BYTES_MAX)
    except zlib.error as error:
        raise HistoryError(f"a record is damaged: {error}") from error
    if not stream.eof:
        raise HistoryError("a record is damaged: it has no end")
    return body


def repacked(body: bytes) -> bytes:
    """Make a record of encoded batches that were one before."""
    return _PLAIN + body if len(body) <= PLAIN_BYTES_MAX else _COMPRESSED + _compress(body)


def page_id(segment: int, key: int) -> int:
    """Return the id of the page of a segment that begins with a key."""
    return segment << HASH_BITS | key
