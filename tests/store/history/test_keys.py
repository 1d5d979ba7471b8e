from hypothesis import given
from hypothesis import strategies as st

from glassmail.store.history.keys import (
    HASH_BITS,
    OFFSET_BITS,
    bare_message_id,
    entry,
    number_key,
    offsets_among,
    offsets_in_page,
    pages,
    text_key,
)

KEYS = st.integers(0, 30) | st.integers(0, 2**HASH_BITS - 1)


def test_keys_have_40_bits_and_know_their_kind():
    for number in (0, 1, 2**40, 2**63):
        assert 0 <= number_key(b"m", number) < 2**HASH_BITS
    assert number_key(b"m", 5) != number_key(b"c", 5)
    assert text_key(b"a", b"x") != text_key(b"i", b"x")
    assert 0 <= text_key(b"a", b"") < 2**HASH_BITS


def test_neighbouring_numbers_spread():
    assert len({number_key(b"m", n) >> 32 for n in range(10_000)}) == 256


def test_a_message_id_is_bare():
    assert bare_message_id(b" <a@b>\n") == b"a@b"


@given(st.lists(st.tuples(KEYS, st.integers(0, 2**OFFSET_BITS - 1)), max_size=3_000))
def test_pages_hold_what_was_put_in(pairs):
    entries = sorted(entry(key, offset) for key, offset in pairs)
    made = list(pages(entries))
    firsts = [first for first, _page in made]
    assert firsts == sorted(set(firsts))
    for key in {key for key, _offset in pairs} | {7, 2**HASH_BITS - 1}:
        expected = sorted(offset for other, offset in pairs if other == key)
        # as the reader does: the last page that begins at or before the key, and the one
        # before when a page begins with it
        below = [number for number, first in enumerate(firsts) if first <= key]
        offsets = []
        for number in reversed(below):
            offsets += offsets_in_page(made[number][1], key)
            if firsts[number] != key:
                break
        assert sorted(offsets) == expected
        assert sorted(offsets_among(entries, key)) == expected
