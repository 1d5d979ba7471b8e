import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.tai64n import Labels, label, parse


def test_a_label_counts_from_2_to_the_62_and_ten_seconds():
    assert label(0) == b"@400000000000000a00000000"


def test_the_manuals_example():
    # tai64nlocal.8: @4000000037c219bf2ef02e94 is 1999-08-24 04:04:05.787492500 UTC
    found = parse(b"@4000000037c219bf2ef02e94 mark")
    assert found is not None
    assert divmod(found[0], 10**9) == (935467445, 787492500)
    assert found[1] == b" mark"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no label",
        b"@4000000037c219bf2ef02e9",  # too short
        b"@4000000037c219bf2ef02eg4 x",
        b"@4000000037C219BF2EF02E94 x",  # multilog writes small digits
        b"@3fffffff37c219bf2ef02e94 x",  # before 1970
        b"@4000000037c219bfffffffff x",  # no such nanosecond
    ],
)
def test_what_is_no_label(text):
    assert parse(text) is None


@given(st.lists(st.integers(0, 2**62), max_size=20))
def test_labels_made_in_a_row_are_labels(moments):
    labels = Labels()
    for at in moments:
        assert labels.label(at) == label(at) + b" "
        assert parse(label(at) + b"x") == (at, b"x")
