"""The cdb format: round trips, the first of equal keys, damage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats import cdb
from glassmail.core.formats.cdb import CdbError

RECORDS = st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=30)), max_size=40)


@given(RECORDS, st.binary(max_size=12))
def test_round_trip(pairs, other):
    data = cdb.render(pairs)
    assert list(cdb.records(data)) == pairs
    first = dict(reversed(pairs))
    for key in [*first, other]:
        assert cdb.find(data, key) == first.get(key)


def test_known_bytes():
    # cdbmake's file for the single record "one" -> "Hello" (cdb.txt): hash 193432059 (0xb87 8dfb).
    data = cdb.render([(b"one", b"Hello")])
    hashed = cdb.hash_key(b"one")
    assert hashed == ((((5381 * 33 ^ 0x6F) * 33 & 0xFFFFFFFF) ^ 0x6E) * 33 & 0xFFFFFFFF) ^ 0x65
    assert data[2048:2064] == b"\3\0\0\0\5\0\0\0oneHello"
    table = 2064
    place = (hashed & 255) * 8
    assert data[place : place + 8] == table.to_bytes(4, "little") + b"\2\0\0\0"
    assert len(data) == table + 16


def test_empty():
    data = cdb.render([])
    assert len(data) == 2048
    assert cdb.find(data, b"") is None
    assert list(cdb.records(data)) == []


@given(RECORDS, st.integers(0, 4000), st.binary(max_size=12))
def test_a_cut_file_ends_in_an_answer_or_an_error(pairs, size, key):
    data = cdb.render(pairs)[:size]
    try:
        cdb.find(data, key)
        list(cdb.records(data))
    except CdbError:
        pass


@given(st.binary(min_size=2048, max_size=2200), st.binary(max_size=4))
def test_garbage_ends_too(data, key):
    try:
        cdb.find(data, key)
    except CdbError:
        pass


def test_a_file_without_free_slots_ends():
    data = bytearray(cdb.render([(b"a", b"1")]))
    place = (cdb.hash_key(b"a") & 255) * 8
    table = int.from_bytes(data[place : place + 4], "little")
    data[table : table + 16] = b"\1\0\0\0\1\0\0\0" * 2
    assert cdb.find(bytes(data), b"a") is None


def test_short_files_are_damaged():
    with pytest.raises(CdbError):
        cdb.find(b"", b"a")
