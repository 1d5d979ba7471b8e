"""What an SMTP client wants, one event at a time: what `SmtpServer.next_event` returns."""

from typing import NamedTuple

from glassmail.core.protocol.data_reader import BareLineEnd


class Helo(NamedTuple):
    """HELO or EHLO; waits for a reply. The transaction is over either way."""

    name: bytes
    is_extended: bool


class Mail(NamedTuple):
    """MAIL; waits for a reply. size is the SIZE parameter, 0 when not given."""

    sender: bytes
    size: int


class Rcpt(NamedTuple):
    """RCPT; waits for a reply."""

    recipient: bytes


class DataBegins(NamedTuple):
    """DATA in its place; waits for `accept_body` or a refusing reply."""


class BodyChunk(NamedTuple):
    """A piece of the body in stored form."""

    data: bytes


class BodyEnds(NamedTuple):
    """The end of the body; waits for a reply.

    Attributes:
        size: bytes of the stored form, whether or not they were given out.
        is_too_long: more than the limit given to `accept_body`.
        bare: the first lone CR or LF.
        hops: header lines that begin with Received or Delivered.
        message_id: the Message-ID field without blanks.
        mended: the first lone CR or LF that was mended.
    """

    size: int
    is_too_long: bool
    bare: BareLineEnd | None
    hops: int
    message_id: bytes
    mended: BareLineEnd | None = None


class Reset(NamedTuple):
    """RSET; already answered."""


class Quit(NamedTuple):
    """QUIT; waits for a reply, which closes."""


class Refused(NamedTuple):
    """The core answered a command by a refusal.

    Attributes:
        name: id of the reply in the catalogue.
        line: the command line, cut to a readable length.
    """

    name: str
    line: bytes


class Auth(NamedTuple):
    """AUTH with a mechanism that is offered; waits for `challenge` or a reply.

    Attributes:
        mechanism: its name in capitals.
        initial: the initial response, None when the client gave none.
    """

    mechanism: bytes
    initial: bytes | None


class AuthResponse(NamedTuple):
    """What the client answered to a challenge; waits for `challenge` or a reply."""

    data: bytes


class StartTls(NamedTuple):
    """STARTTLS in its place; waits for `secure` or a refusing reply."""


Event = (
    Helo
    | Mail
    | Rcpt
    | DataBegins
    | BodyChunk
    | BodyEnds
    | Reset
    | Quit
    | Refused
    | Auth
    | AuthResponse
    | StartTls
)
