"""Facts of accepted messages. Rows of the queue's own commits: complete, never dropped."""

from typing import ClassVar

from glassmail.core.model.trail import Step
from glassmail.events.event import Event


class Load(Event, tag="load", frozen=True):
    """How many deliveries run, of how many that may (qmail's status line)."""

    sentence: ClassVar[str] = (
        "running: {local} of {local_most} local, {remote} of {remote_most} remote deliveries"
    )

    local: int
    local_most: int
    remote: int
    remote_most: int
    exiting: bool = False


class Accepted(Event, tag="accepted", frozen=True):
    """A message is in the queue, durably (qmail: new msg, info msg).

    Attributes:
        message: the message's number (qmail's qp).
        code, part: trace code number of the session and n of its n-th message; 0 when none.
        size: bytes of the stored message, our Received lines included.
        uid: who handed it in.
        origin: message this one is a forward or bounce of, else 0.
        kind: network, user, forward, bounce.
        message_id: the Message-ID field without blanks, empty when missing.
        story: msgpack of a smtpd.Story (client, helo, steps), empty when there was no session.
    """

    sentence: ClassVar[str] = "message {message} accepted from <{sender}>, {size} bytes"

    message: int
    code: int
    part: int
    size: int
    sender: bytes
    uid: int
    origin: int
    kind: str
    message_id: bytes
    recipients: tuple[bytes, ...]
    story: bytes = b""


class Started(Event, tag="started", frozen=True):
    """A delivery attempt begins (qmail: starting delivery).

    Attributes:
        delivery: number of the attempt, counted from 1 in each run of the queue.
        number: which recipient of the message, from 0.
        channel: local or remote.
        address: the rewritten address, with the prepend of virtualdomains.
        steps: the routing trail.
    """

    sentence: ClassVar[str] = "delivery {delivery}: message {message} to {channel} {address}"

    message: int
    delivery: int
    number: int
    channel: str
    address: bytes
    steps: tuple[Step, ...]
    load: tuple[int, int, int, int, bool]


class Settled(Event, tag="settled", frozen=True):
    """A delivery attempt ended (qmail: delivery D: success, deferral, failure).

    Attributes:
        outcome: K, Z or D.
        text: the report, raw.
        retry_at: seconds since 1970 of the next attempt for a deferral, else 0.
        steps: the trail of the attempt.
    """

    sentence: ClassVar[str] = "delivery {delivery}: {outcome} {text}"

    message: int
    delivery: int
    number: int
    channel: str
    address: bytes
    outcome: str
    text: bytes
    retry_at: int
    steps: tuple[Step, ...]
    load: tuple[int, int, int, int, bool]


class Bounced(Event, tag="bounced", frozen=True):
    """A bounce for a message is in the queue (qmail: bounce msg N qp P)."""

    sentence: ClassVar[str] = "message {message}: bounce queued as message {bounce}"

    message: int
    bounce: int


class Discarded(Event, tag="discarded", frozen=True):
    """A bounce of a double bounce, or an unwanted double bounce, is thrown away."""

    sentence: ClassVar[str] = "message {message}: {kind} bounce discarded"

    message: int
    kind: str


class Ended(Event, tag="ended", frozen=True):
    """Every recipient of the message is settled; it left the queue (qmail: end msg)."""

    sentence: ClassVar[str] = "message {message} left the queue"

    message: int


class Administered(Event, tag="administered", frozen=True):
    """Somebody held, released, retried, bounced or dropped a message by hand."""

    sentence: ClassVar[str] = "message {message}: {verb} by uid {uid}"

    message: int
    verb: str
    uid: int


class Exiting(Event, tag="exiting", frozen=True):
    """The queue ends as it was asked to (qmail: status: exiting)."""

    sentence: ClassVar[str] = "the queue ends"


QueueFact = (
    Accepted | Started | Settled | Bounced | Discarded | Ended | Administered | Load | Exiting
)
