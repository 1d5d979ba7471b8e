"""Find the Message-ID field in the header of a stored message (LF line ends)."""

MESSAGE_ID_BYTES_MAX = 998


def find_message_id(data: bytes, limit: int) -> bytes:
    """Return the Message-ID without blanks, angle brackets kept; empty when there is none.

    Only the header, and at most `limit` bytes of it, is looked at; a folded field (RFC 5322,
    2.2.3) is joined.
    """
    end = data.find(b"\n\n", 0, limit)
    header = data[: end if end >= 0 else limit]
    at = _field(header.lower())
    if at < 0:
        return b""
    stop = header.find(b"\n", at)
    while 0 <= stop < len(header) - 1 and header[stop + 1] in b" \t":
        stop = header.find(b"\n", stop + 1)
    value = header[at : stop if stop >= 0 else len(header)]
    return b"".join(value.split())[:MESSAGE_ID_BYTES_MAX]


def _field(folded: bytes) -> int:
    if folded.startswith(b"message-id:"):
        return 11
    at = folded.find(b"\nmessage-id:")
    return at + 12 if at >= 0 else -1
