"""vpopmail's `.dir-control`: how many mailboxes a domain has, and where the next one goes.

The first line is the number of mailboxes; the others say how vpopmail spreads them over
subdirectories `0`, `1`, ... once there are many (bigdir.c). They are kept as they are: new
mailboxes are made in the domain's own directory here, which vpopmail reads as well, since every
vpasswd line holds its mailbox's directory.
"""

FILE_NAME = ".dir-control"
_FRESH = b"0 3\n0 0 0\n61 61 61\n0 2 4\n0 0 0\n\n"


def with_count(data: bytes, count: int) -> bytes:
    """Write the file with another number of mailboxes; of an empty one, as vpopmail begins it."""
    _first, newline, rest = data.partition(b"\n")
    return b"%d\n" % count + (rest if newline else _FRESH)
