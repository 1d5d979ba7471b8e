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
        tls: version and cipher, empty in the clear; login: who logged in, empty for nobody.
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
    tls: str = ""
    login: bytes = b""


class Refused(Event, tag="refused", frozen=True):
    """A client was told 4xx or 5xx.

    Attributes:
        stage: connect, helo, auth, mail, rcpt, data, message, command.
        check: id of the deciding check.
        reply_code, reply: the reply as sent, without CRLF, with its trace code.
        recipients: accepted before in this transaction, at data and message; STORY_RECIPIENTS_MAX
            of them.
        login: who logged in; at auth the account that was tried, as far as it may be kept.
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
    recipients: tuple[bytes, ...] = ()
    tls: str = ""
    login: bytes = b""


class SessionEnded(Event, tag="session", frozen=True):
    """A session is over.

    Attributes:
        how: quit, dropped, timeout, closed (by us), shutdown; ended or open in imported logs.
        accepted: messages accepted; refused: replies of 4xx and 5xx.
        sender, recipients: of a message that was begun, and never handed over whole; recipients
            is empty when there was none.
        stage: how far it came: rcpt, or data when some of it was sent.
        steps: what was asked about it.
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
    tls: str = ""
    login: bytes = b""
    sender: bytes = b""
    recipients: tuple[bytes, ...] = ()
    stage: str = ""
    steps: tuple[Step, ...] = ()


class Noted(Event, tag="noted", frozen=True):
    """A log line of a check or variable: QMAILSMTPD_LOG_MAIL, MFCHECK 2, RCPTCHECK's text.

    Attributes:
        line: the text behind `qmail-smtpd[pid]: `, as the combined patch writes it.
        pid: of the smtpd process; 0 for a line that a program of the site wrote.
    """

    sentence: ClassVar[str] = "{client}: {line}"

    code: int
    service: str
    client: str
    client_port: int
    line: bytes
    pid: int = 0


class Handed(Event, tag="handed", frozen=True):
    """A message was given to a program in the place of qmail-queue (QMAILQUEUE), which took it.

    What the program hands in is another message of the queue, told by the program's own call of
    qmail-queue; a program that refused is told as Refused.

    Attributes:
        program: QMAILQUEUE; pid: its process id.
        exit_code: 0 taken, 1 dropped.
        reply: what the client was told, without CRLF.
        recipient: always empty; searches read it of Refused too.
    """

    sentence: ClassVar[str] = "{client}: a message was handed to {program}, exit code {exit_code}"

    code: int
    part: int
    service: str
    client: str
    client_port: int
    client_name: str
    helo: bytes
    sender: bytes
    recipients: tuple[bytes, ...]
    program: bytes
    pid: int
    exit_code: int
    reply: bytes
    steps: tuple[Step, ...]
    recipient: bytes = b""
    tls: str = ""
    login: bytes = b""


class Connected(Event, tag="connected", frozen=True):
    """A client connected; told with control/tcpserverlog, in tcpserver's words.

    Attributes:
        pid: number of the session in these lines.
        local_name: our name; local, local_port: our end.
        client_name, info: the client's name and user, empty when unknown.
        is_denied: whether it is turned away at once; detail: the limit that did it.
        count, most: connections open, and how many may be; 0: nobody knows, or no limit.
    """

    sentence: ClassVar[str] = "{client}: connected"

    code: int
    pid: int
    local_name: bytes
    local: str
    local_port: int
    client_name: bytes
    client: str
    info: bytes
    client_port: int
    is_denied: bool
    detail: bytes
    count: int
    most: int


class Disconnected(Event, tag="disconnected", frozen=True):
    """The end of a connection that was told as Connected.

    Attributes:
        status: as wait(2) would give it: 0 after QUIT, 25600 when denied, else 256.
        count, most: connections left open, and how many may be.
    """

    sentence: ClassVar[str] = "session {pid} ended with status {status}"

    code: int
    pid: int
    status: int
    count: int
    most: int


SmtpdEvent = Refused | SessionEnded | Noted | Handed | Connected | Disconnected
