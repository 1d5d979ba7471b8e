"""Trace codes: what a person reads to an administrator over the telephone.

A code is one number of the site's counter, written in 9 characters of an alphabet
without look-alikes and a check character: `K7Q2-M4XW-3H`. The alphabet has 29
characters, a prime, so a single wrong character and any swap of neighbours is noticed.
"""

ALPHABET = b"23456789ABCDEFGHJKMNPQRTVWXYZ"
BASE = len(ALPHABET)
DATA_CHARACTERS = 9
NUMBER_MAX = BASE**DATA_CHARACTERS - 1
BLOCK = 1_024  # numbers handed to a process at once

_VALUE = {byte: index for index, byte in enumerate(ALPHABET)}
# Characters are written two at a time; each pair's share of the check depends on where it stands.
_PAIR = BASE * BASE
_PAIRS = tuple(bytes((high, low)) for high in ALPHABET for low in ALPHABET)
_SHARES = tuple(
    tuple((2 * at + 3) * (pair // BASE) + (2 * at + 4) * (pair % BASE) for pair in range(_PAIR))
    for at in range(4)
)


def _check(digits: list[int]) -> int:
    return sum((position + 2) * digit for position, digit in enumerate(digits)) % BASE


def render(number: int) -> bytes:
    """Write a counter value as a trace code, `XXXX-XXXX-XX`."""
    rest, fourth = divmod(number, _PAIR)
    rest, third = divmod(rest, _PAIR)
    rest, second = divmod(rest, _PAIR)
    lead, first = divmod(rest, _PAIR)
    shares = _SHARES[0][first] + _SHARES[1][second] + _SHARES[2][third] + _SHARES[3][fourth]
    text = b"%c%b%b%b%b%c" % (
        ALPHABET[lead], _PAIRS[first], _PAIRS[second], _PAIRS[third], _PAIRS[fourth],
        ALPHABET[(2 * lead + shares) % BASE],
    )  # fmt: skip
    return b"%b-%b-%b" % (text[:4], text[4:8], text[8:])


def parse(text: bytes) -> tuple[int, int] | None:
    """Read a trace code, with or without hyphens and brackets, any case.

    Returns:
        (number, message): message is the n of `/n`, 0 when the session is meant; None when the
        text is no trace code.
    """
    head, slash, tail = text.strip(b" []\t\r\n").upper().replace(b"-", b"").partition(b"/")
    if len(head) != DATA_CHARACTERS + 1 or (slash and not _is_digits(tail)):
        return None
    digits = [_VALUE.get(byte, -1) for byte in head]
    if -1 in digits or _check(digits[:-1]) != digits[-1]:
        return None
    number = 0
    for digit in digits[:-1]:
        number = number * BASE + digit
    return number, int(tail) if slash else 0


def _is_digits(text: bytes) -> bool:
    # int() takes underscores, blanks and foreign digits; the wire knows ten digits only.
    return 0 < len(text) <= 9 and not text.strip(b"0123456789")
