"""Trace codes: readable, ordered, and no single slip of the pen goes unnoticed."""

from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model import code


@given(st.integers(0, code.NUMBER_MAX))
def test_what_is_written_can_be_read(number):
    text = code.render(number)
    assert code.parse(text) == (number, 0)
    assert code.parse(b"[" + text.replace(b"-", b"").lower() + b"/12]") == (number, 12)


@given(st.integers(0, code.NUMBER_MAX), st.integers(0, 9), st.sampled_from(list(code.ALPHABET)))
def test_one_wrong_character_is_noticed(number, place, other):
    plain = bytearray(code.render(number).replace(b"-", b""))
    if plain[place] == other:
        return
    plain[place] = other
    assert code.parse(bytes(plain)) is None


@given(st.integers(0, code.NUMBER_MAX), st.integers(0, 8))
def test_swapped_neighbours_are_noticed(number, place):
    plain = bytearray(code.render(number).replace(b"-", b""))
    if plain[place] == plain[place + 1]:
        return
    plain[place], plain[place + 1] = plain[place + 1], plain[place]
    assert code.parse(bytes(plain)) is None


def test_codes_sort_as_their_numbers():
    texts = [code.render(n) for n in (0, 1, 28, 29, 841, 10**12)]
    assert texts == sorted(texts)


def test_what_is_no_code():
    for text in (b"", b"K7Q2", b"K7Q2-M4XW-3", b"0OIL-1111-11", b"2222-2222-22/x", b"2222222222/"):
        assert code.parse(text) is None
