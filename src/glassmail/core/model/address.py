"""Addresses as qmail understands them: the last `@` parts them, ASCII case is folded by hand."""


def split_address(address: bytes) -> tuple[bytes, bytes]:
    """Part an address at its last `@` (qmail: byte_rchr).

    Returns:
        (local part, domain); the domain is empty when there is no `@`.
    """
    local, at, domain = address.rpartition(b"@")
    return (local, domain) if at else (address, b"")


def fold(text: bytes) -> bytes:
    """Lower ASCII letters only, as qmail's case_lowerb does (bytes.lower is ASCII-only)."""
    return text.lower()


def safe_for_log(text: bytes) -> bytes:
    """Make text safe for a log line: newline to `/`, other unsafe bytes to `_` (qmail-send.c)."""
    return text.translate(_LOG_SAFE)


def safe_for_header(text: bytes) -> bytes:
    """Make text safe for a Received line (received.c issafe): others become `?`."""
    return text.translate(_HEADER_SAFE)


_LOG_SAFE = bytes(
    0x2F if byte == 0x0A else 0x5F if byte < 33 or byte > 126 or byte == 0x25 else byte
    for byte in range(256)
)
_HEADER_SAFE = bytes(
    byte
    if chr(byte) in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@%+/=:-[]"
    else 0x3F
    for byte in range(256)
)
