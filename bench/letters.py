"""Messages that prove themselves: the number in the header says what every byte of the body is.

A delivered message can so be checked without keeping what was sent. Bodies are slices of one
block of text, begun at a place that the number decides, after a line that holds its hash.
"""

import hashlib
import random
import re

SMALL = (200, 8_000)
FILE = (132_000, 400_000)  # above 128 KiB, where bodies live in files of their own
_LINE = 64
_random = random.Random(1997)
_BLOCK = b"".join(b"%064x\n" % _random.getrandbits(256) for _ in range((1 << 20) // (_LINE + 1)))
ID = re.compile(rb"^X-Crash-Id: ([0-9a-z-]+)\r?$", re.MULTILINE)


def body_of(ident: str, sizes: tuple[int, int]) -> bytes:
    """The body of a message, with LF ends."""
    digest = hashlib.sha256(ident.encode()).hexdigest()
    seed = int(digest[:16], 16)
    size = sizes[0] + seed % (sizes[1] - sizes[0])
    start = (seed >> 20) % (len(_BLOCK) - size)
    return digest.encode() + b"\n" + _BLOCK[start : start + size].rstrip(b"\n") + b"\n"


def wire(ident: str, sizes: tuple[int, int]) -> bytes:
    """The whole message as it goes over the wire, with CRLF ends; no line begins with a dot."""
    head = b"X-Crash-Id: %s\nSubject: crash\n\n" % ident.encode()
    return (head + body_of(ident, sizes)).replace(b"\n", b"\r\n")


def identify(stored: bytes) -> str | None:
    """The number in a stored message or in the message a bounce quotes; None when there is none."""
    match = ID.search(stored)
    return match.group(1).decode() if match else None


def is_whole(ident: str, stored: bytes, sizes: tuple[int, int], *, quoted: bool) -> bool:
    """Whether the stored message's body is the one that was sent (a bounce quotes it)."""
    expected = body_of(ident, sizes)
    stored = stored.replace(b"\r\n", b"\n")
    if quoted:
        return expected in stored
    return stored.partition(b"\n\n")[2] == expected
