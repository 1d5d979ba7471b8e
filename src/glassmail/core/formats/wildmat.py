"""Patterns as SPAMCONTROL's lists have them: `*`, `?`, `[a-z]`, `[^a-z]`, backslash (wildmat).

They are told as regular expressions for RE2, whose time grows with the text alone; a backtracking
matcher could be stalled by `*a*a*a*b`. A `[` without its `]` stands for itself.
"""

_SPECIAL = frozenset(b".^$*+?{}[]\\|()-&#~")


def is_pattern(text: bytes) -> bool:
    """Tell whether a line holds anything that stands for more than itself."""
    return any(mark in text for mark in (b"*", b"?", b"["))


def expression(pattern: bytes) -> bytes:
    """Return the regular expression that matches the whole text as the pattern does."""
    parts = [b"(?s)\\A"]
    at = 0
    while at < len(pattern):
        byte = pattern[at]
        at += 1
        if byte == 0x2A:  # *
            parts.append(b".*")
        elif byte == 0x3F:  # ?
            parts.append(b".")
        elif byte == 0x5B and (end := pattern.find(b"]", at + 1)) >= 0:  # [
            parts.append(_one_of(pattern[at:end]))
            at = end + 1
        else:
            if byte == 0x5C and at < len(pattern):  # backslash
                byte = pattern[at]
                at += 1
            parts.append(_literal(byte))
    return b"".join(parts) + b"\\z"


def _literal(byte: int) -> bytes:
    if byte in _SPECIAL:
        return b"\\" + bytes((byte,))
    return bytes((byte,)) if 32 < byte < 127 else b"\\x%02x" % byte


def _one_of(inner: bytes) -> bytes:
    is_negated = inner[:1] == b"^"
    chosen: set[int] = set()
    at = 1 if is_negated else 0
    while at < len(inner):
        if at + 2 < len(inner) and inner[at + 1] == 0x2D:  # a-z
            chosen.update(range(inner[at], inner[at + 2] + 1))
            at += 3
        else:
            chosen.add(inner[at])
            at += 1
    allowed = sorted(frozenset(range(256)) - chosen if is_negated else chosen)
    if not allowed:
        return b"[^\\x00-\\xff]"  # a range that runs backwards holds nothing
    return b"[" + b"".join(b"\\x%02x" % byte for byte in allowed) + b"]"
