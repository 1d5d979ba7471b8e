"""The inputs of bench/fuzz.py can be made again from their seed."""

import fuzz


def test_mutations_are_repeatable():
    assert list(fuzz.inputs((b"abc",), 50, 1)) == list(fuzz.inputs((b"abc",), 50, 1))
    assert list(fuzz.inputs((b"abc",), 50, 1)) != list(fuzz.inputs((b"abc",), 50, 2))
