"""TAI64N labels: `@` and 24 hex digits, as tai64n and multilog write them.

The seconds are 2**62 + 10 + Unix seconds (daemontools counts no leap seconds), then come 8 digits
of nanoseconds.
"""

LABEL_LENGTH = 25
_OFFSET = 2**62 + 10
_SECOND = 1_000_000_000
_DIGITS = b"0123456789abcdef"


def label(at: int) -> bytes:
    """Write the label of a moment (nanoseconds since 1970)."""
    seconds, rest = divmod(at, _SECOND)
    return b"@%016x%08x" % (seconds + _OFFSET, rest)


def parse(text: bytes) -> tuple[int, bytes] | None:
    """Read a label at the start of a line.

    Returns:
        (nanoseconds since 1970, what follows the label); None when the line begins otherwise or
        the moment is before 1970.
    """
    digits = text[1:LABEL_LENGTH]
    if text[:1] != b"@" or len(digits) != LABEL_LENGTH - 1 or digits.strip(_DIGITS):
        return None
    seconds = int(digits[:16], 16) - _OFFSET
    nanoseconds = int(digits[16:], 16)
    if seconds < 0 or nanoseconds >= _SECOND:
        return None
    return seconds * _SECOND + nanoseconds, text[LABEL_LENGTH:]


class Labels:
    """Labels of many moments close together: the part of the second is made once."""

    __slots__ = ("_prefix", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._prefix = b""

    def label(self, at: int) -> bytes:
        """Write the label of a moment and the blank that follows it in a log."""
        second = at // _SECOND
        if second != self._second:
            self._second = second
            self._prefix = b"@%016x" % (second + _OFFSET)
        return b"%b%08x " % (self._prefix, at - second * _SECOND)
