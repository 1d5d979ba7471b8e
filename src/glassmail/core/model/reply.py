"""An SMTP reply: code, text, and whether the connection ends with it."""

from typing import NamedTuple


class Reply(NamedTuple):
    """One reply (RFC 5321, 4.2).

    Attributes:
        code: three digits, 200 to 599.
        text: one or more lines separated by LF, without CR and without code.
        close: whether the server hangs up after sending it.
        status: enhanced status code (RFC 3463) for servers that announce them, `2.1.5`; empty:
            what the text ends with in qmail's way, `(#5.7.1)`, else the class alone.
    """

    code: int
    text: bytes
    close: bool = False
    status: bytes = b""

    @property
    def is_positive(self) -> bool:
        """Tell whether the reply promises anything (2xx and 3xx)."""
        return self.code < 400
