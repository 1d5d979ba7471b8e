from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.database_text import to_bytes, to_text


@given(st.binary())
def test_nothing_is_lost(data):
    text = to_text(data)
    text.encode("utf-8")  # no half characters
    assert to_bytes(text) == data


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_utf_8_stays_readable(text):
    if not any(0xF780 <= ord(c) <= 0xF7FF for c in text):
        assert to_text(text.encode()) == text


def test_our_own_letters():
    assert to_text("J\u00f6rg".encode()) == "J\u00f6rg"
    assert to_text(b"J\xf6rg") == "J\uf7f6rg"
    assert to_bytes(to_text("\uf7f6".encode())) == "\uf7f6".encode()
