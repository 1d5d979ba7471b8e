"""Constant databases: D. J. Bernstein's cdb, written and read as bytes.

Format:
    256 pairs (position, slots) of little-endian 32-bit numbers, the records as
    (key length, data length, key, data), then the hash tables as (hash, position) slots.

Always:
    - Records keep the order they were given in; a look-up finds the FIRST of equal keys.
    - `render` gives the very bytes that cdbmake gives for the same records.
    - A look-up in a damaged file ends: every position is checked against the size.
"""

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Protocol

_PAIR = Struct("<II")
_HEADER_BYTES = 2_048
_SIZE_MAX = 2**32 - 1


class CdbLookup(Protocol):
    """Whatever answers as a cdb does."""

    def find(self, key: bytes) -> bytes | None:
        """Return the data of the first record with this key, None when there is none."""
        ...


class CdbError(Exception):
    """A cdb cannot be read or written; the text says why."""


def hash_key(key: bytes) -> int:
    """Hash a key as cdb does: 5381, then times 33 exclusive-or each byte, in 32 bits."""
    value = 5_381
    for byte in key:
        value = (value * 33 & 0xFFFFFFFF) ^ byte
    return value


def render(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write records into a cdb; raises CdbError when it would pass 4 GiB."""
    out = bytearray(_HEADER_BYTES)
    buckets: list[list[tuple[int, int]]] = [[] for _ in range(256)]
    for key, data in records:
        hashed = hash_key(key)
        buckets[hashed & 255].append((hashed, len(out)))
        out += _PAIR.pack(len(key), len(data)) + key + data
        if len(out) > _SIZE_MAX:
            raise CdbError("a cdb cannot be larger than 4 GiB")
    header = bytearray()
    for bucket in buckets:
        header += _PAIR.pack(len(out), 2 * len(bucket))
        out += _slots(bucket)
        if len(out) > _SIZE_MAX:
            raise CdbError("a cdb cannot be larger than 4 GiB")
    out[:_HEADER_BYTES] = header
    return bytes(out)


def find(data: bytes, key: bytes) -> bytes | None:
    """Look a key up in the bytes of a cdb (bytes or a mapped file); raises CdbError if damaged."""
    hashed = hash_key(key)
    table, slots = _pair(data, (hashed & 255) * 8)
    if not slots:
        return None
    start = (hashed >> 8) % slots
    for slot in range(slots):
        found, position = _pair(data, table + (start + slot) % slots * 8)
        if not position:
            return None
        if found == hashed:
            key_size, data_size = _pair(data, position)
            begin = position + 8
            if key_size == len(key) and data[begin : begin + key_size] == key:
                begin += key_size
                if begin + data_size > len(data):
                    raise CdbError("a record passes the end of the file")
                return data[begin : begin + data_size]
    return None


def records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """List all records in their order; raises CdbError if damaged."""
    end, _ = _pair(data, 0)  # the first hash table follows the last record
    position = _HEADER_BYTES
    while position < end:
        key_size, data_size = _pair(data, position)
        middle = position + 8 + key_size
        position = middle + data_size
        if position > end or end > len(data):
            raise CdbError("a record passes the end of the records")
        yield data[middle - key_size : middle], data[middle:position]


def _slots(bucket: list[tuple[int, int]]) -> bytes:
    size = 2 * len(bucket)
    slots = [(0, 0)] * size
    for hashed, position in bucket:
        slot = (hashed >> 8) % size
        while slots[slot][1]:
            slot = (slot + 1) % size
        slots[slot] = (hashed, position)
    return b"".join([_PAIR.pack(*slot) for slot in slots])


def _pair(data: bytes, position: int) -> tuple[int, int]:
    if position + 8 > len(data):
        raise CdbError("the file is too short")
    first, second = _PAIR.unpack_from(data, position)
    return first, second
