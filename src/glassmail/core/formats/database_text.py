"""Bytes of vpasswd as text of a data base, and back, without loss.

Most of what vpasswd holds is UTF-8 and becomes that text, so that people can read and change it
with the data base's own tools. A byte that is no UTF-8 becomes a character of the private use
area, U+F700 and the byte; such a character itself becomes its three bytes written that way.
"""

_PRIVATE = 0xF700
_FIRST = 0x80


def to_text(data: bytes) -> str:
    """Make a text that every data base takes; data without NUL."""
    if data.isascii():
        return data.decode("ascii")
    text = data.decode("utf-8", "surrogateescape")
    return "".join(map(_shown, text))


def to_bytes(text: str) -> bytes:
    """Undo `to_text`."""
    if text.isascii():
        return text.encode("ascii")
    escaped = "".join(
        chr(0xDC00 + ord(c) - _PRIVATE) if _is_private(c) else c for c in text
    )
    return escaped.encode("utf-8", "surrogateescape")


def _shown(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return chr(_PRIVATE + ord(character) - 0xDC00)
    if _is_private(character):
        return "".join(chr(_PRIVATE + byte) for byte in character.encode("utf-8"))
    return character


def _is_private(character: str) -> bool:
    return _PRIVATE + _FIRST <= ord(character) <= _PRIVATE + 0xFF
