"""Who sends, as qmail-inject learns it from the environment (qmail-inject.8)."""

from glassmail.core.formats.header_tokens import (
    AT,
    ATOM,
    COMMENT,
    LEFT,
    QUOTE,
    RIGHT,
    Token,
)
from glassmail.core.formats.quote import needs_quotes

_AT: Token = (AT, b"@")


class Identity:
    """User, host and name for From, and user and host for the envelope.

    Attributes:
        host, return_host: None where the default host is meant.
        name: full name, None when there is none.
    """

    __slots__ = ("host", "name", "return_host", "return_user", "user")

    def __init__(self, environment: dict[bytes, bytes]) -> None:
        def first(*names: bytes) -> bytes | None:
            return next((environment[name] for name in names if name in environment), None)

        self.host = first(b"QMAILHOST", b"MAILHOST")
        self.return_host = first(b"QMAILSHOST", b"QMAILHOST", b"MAILHOST")
        user = first(b"QMAILUSER", b"MAILUSER", b"USER", b"LOGNAME")
        self.user = b"anonymous" if user is None else user
        return_user = first(b"QMAILSUSER")
        self.return_user = self.user if return_user is None else return_user
        self.name = first(b"QMAILNAME", b"MAILNAME", b"NAME")

    def from_tokens(self, *, as_comment: bool) -> list[Token]:
        """Return the From address: `"Name" <address>`, or `address (Name)` as a comment."""
        kind = QUOTE if needs_quotes(self.user) else ATOM
        address: list[Token] = [(kind, self.user)]
        if self.host is not None:
            address += (_AT, (ATOM, self.host))
        if self.name is None:
            return address
        if as_comment:
            return [*address, (COMMENT, self.name)]
        return [(QUOTE, self.name), (LEFT, b"<"), *address, (RIGHT, b">")]

    def return_tokens(self, mark: bytes) -> list[Token]:
        """Return the envelope sender, with what VERP puts behind the user."""
        address: list[Token] = [(QUOTE, self.return_user + mark)]
        if self.return_host is not None:
            address += (_AT, (ATOM, self.return_host))
        return address
