"""Who sends, who receives: the envelope (RFC 5321, 2.3.1)."""

from typing import NamedTuple


class Envelope(NamedTuple):
    """Sender (empty: a bounce, `#@[]`: a double bounce) and recipients, as bytes off the wire."""

    sender: bytes
    recipients: tuple[bytes, ...]
