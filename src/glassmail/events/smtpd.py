"""What SMTP sessions tell: refusals and ends of sessions. Session noise; refusals drop last."""

from typing import ClassVar

from glassmail.core.model.trail import Step
from glassmail.events.event import Event


class Story(Event, tag="story", frozen=True):
    """The session part of an accepted message; travels inside queue.Accepted, opaque.

    Attributes:
        client: the client's numeric address; port beside it.
        client_name: its reverse name, empty when unknown.
        helo: what it called itself; empty when it did not.
        service: smtp or submission.
        steps: every question asked, connection to acceptance.
    """

    code: int
    part: int
    service: str
    client: str
    client_port: int
    client_name: str
    helo: bytes
    sender: bytes
    recipients: tuple[bytes, ...]
    steps: tuple[Step, ...]


class Refused(Event, tag="refused", frozen=True):
    """A client was told 4xx or 5xx.

    Attributes:
        stage: connect, helo, mail, rcpt, data, message, command.
        check: id of the deciding check.
        reply_code, reply: the reply as sent, without CRLF, with its trace code.
    """

    severity: ClassVar[str] = "warning"
    sentence: ClassVar[str] = "{client}: {reply}"

    code: int
    part: int
    service: str
    client: str
    client_port: int
    client_name: str
    helo: bytes
    sender: bytes
    recipient: bytes
    stage: str
    check: str
    reply_code: int
    reply: bytes
    steps: tuple[Step, ...]


class SessionEnded(Event, tag="session", frozen=True):
    """A session is over.

    Attributes:
        how: quit, dropped, timeout, closed (by us), shutdown.
        accepted: messages accepted; refused: replies of 4xx and 5xx.
    """

    sentence: ClassVar[str] = (
        "{client}: session ended ({how}), {accepted} accepted, {refused} refused"
    )

    code: int
    service: str
    client: str
    client_port: int
    helo: bytes
    began: int
    how: str
    accepted: int
    refused: int
    bytes_in: int


SmtpdEvent = Refused | SessionEnded
