"""What the processes say to each other: typed messages, msgpack arrays in frames.

Always:
    Fields are only added at the end, with a default. No process trusts another's bytes: a frame
    that does not decode to one of the expected messages closes the channel.
"""

from typing import Literal

import msgspec

from glassmail.core.model.trail import Step


class Message(msgspec.Struct, array_like=True, gc=False):
    """Base of all messages."""


# --- anyone to queue ------------------------------------------------------------------------


class Hello(Message, tag="hello"):
    """First frame of every connection: what the peer wants to be (client, smtpd, local, remote).

    The queue checks the peer's uid against the role.
    """

    role: str
    pid: int


class TakeCodes(Message, tag="take_codes"):
    """smtpd asks for a block of trace code numbers; answered by Codes."""


class Codes(Message, tag="codes"):
    """A block of trace code numbers, for the asker alone."""

    first: int
    count: int


class OpenBody(Message, tag="open_body"):
    """Ask for a file for a large body; answered by BodyOpened with one descriptor."""

    ref: int


class BodyOpened(Message, tag="body_opened"):
    """The file is open for writing; the asker writes, syncs it and names it in Enqueue.file."""

    ref: int
    file: int


class Origin(Message, tag="origin"):
    """What a forward came from: proves the right to refer to that body, and makes it idempotent.

    Attributes:
        message, number: the message and which recipient of it.
        key: the capability from the Target.
        part: which forward of that recipient, from 0 (program lines may make several).
    """

    message: int
    number: int
    key: bytes
    part: int = 0


class Enqueue(Message, tag="enqueue"):
    """Hand in a message; answered by Enqueued or Declined with the same ref.

    Attributes:
        head: lines to put before the body (after the queue's own Received line), LF ends.
        body: the message, LF line ends; None when `file` (from BodyOpened) or `origin` holds it.
        size: length of the body in bytes.
        code, part: trace code number and message number in the session; 0 when none.
        story: msgpack of events.smtpd.Story, empty when there was no session.
        kind: network or user; the queue decides by the peer's uid what it believes.
        message_id: the Message-ID field without blanks, empty when the message has none; None
            when the sender did not look.
        is_held: take it, but deliver nothing until somebody releases it.
    """

    ref: int
    sender: bytes
    recipients: tuple[bytes, ...]
    head: bytes
    body: bytes | None
    file: int
    size: int
    code: int
    part: int
    story: bytes
    kind: str
    origin: Origin | None = None
    message_id: bytes | None = None
    is_held: bool = False


class Enqueued(Message, tag="enqueued"):
    """The message is durable under this number."""

    ref: int
    message: int


class Declined(Message, tag="declined"):
    """The message was not taken: D or Z, qmail-queue's exit code, text for the client."""

    ref: int
    letter: Literal["D", "Z"]
    exit_code: int
    text: bytes


# --- queue to local and remote ----------------------------------------------------------------


class Target(Message, tag="target"):
    """One recipient to deliver to.

    Attributes:
        delivery: number of this attempt.
        number: which recipient of the message.
        address: rewritten address (local: prepend-user@domain).
        original: the envelope recipient as accepted.
        key: capability for Origin.
    """

    delivery: int
    number: int
    address: bytes
    original: bytes
    key: bytes


class Job(Message, tag="job"):
    """One message and the recipients of it to try now.

    Attributes:
        sender: envelope sender of this delivery (VERP already expanded).
        head, body: the stored message; body None: read it from the frame's descriptor.
        size: bytes of head and body together.
        born: seconds since 1970 when it was accepted.
        dying: whether this is the last attempt.
        attempt: above 0 when earlier attempts may have happened (a retry, or a restart).
    """

    message: int
    sender: bytes
    head: bytes
    body: bytes | None
    size: int
    born: int
    code: int
    part: int
    dying: bool
    targets: tuple[Target, ...]
    attempt: int = 0


class Deliver(Message, tag="deliver"):
    """Deliver these. A job whose body is a descriptor travels alone in its frame."""

    jobs: tuple[Job, ...]


class Result(Message, tag="result"):
    """How one delivery ended: K, Z or D, the report text, the trail."""

    delivery: int
    outcome: Literal["K", "Z", "D"]
    text: bytes
    steps: tuple[Step, ...]


class Settle(Message, tag="settle"):
    """Results of deliveries that were handed to this very connection."""

    results: tuple[Result, ...]


# --- administration --------------------------------------------------------------------------


class Request(Message, tag="request"):
    """A question or order of a person: verb and JSON-able arguments. Answered by Rows or Failed."""

    ref: int
    verb: str
    arguments: dict[str, str | int | bool | list[str | int] | None]


class Rows(Message, tag="rows"):
    """Answer to a Request: JSON objects; more follow when `more`."""

    ref: int
    rows: tuple[bytes, ...]
    more: bool = False


class Failed(Message, tag="failed"):
    """A Request could not be done; exit is the status a command ends with (1, 2 or 3)."""

    ref: int
    exit: int
    text: str


# --- anyone to log ----------------------------------------------------------------------------


class Tell(Message, tag="tell"):
    """A batch of events (events.codec.encode); session noise and process news."""

    events: bytes


class Pulse(Message, tag="pulse"):
    """What a process is busy with just now; replaces its last pulse.

    `rows` are JSON objects: some of its sessions, for those who may see everybody's mail.
    """

    numbers: dict[str, int]
    rows: tuple[bytes, ...] = ()


class Facts(Message, tag="facts"):
    """Batches of the queue's facts: (row number, events.codec bytes), in order.

    `store` is the identity of the queue store: another one counts its rows anew.
    """

    rows: tuple[tuple[int, bytes], ...]
    store: int = 0


class FactsKept(Message, tag="facts_kept"):
    """The log holds every fact up to this row durably; the queue may trim them."""

    last: int


class Lookup(Message, tag="lookup"):
    """keeper: does mail for this recipient find a mailbox, alias or program? Answered by Found."""

    ref: int
    recipient: bytes


class Found(Message, tag="found"):
    """keeper's answer: yes, no or cannot tell, with its trail."""

    ref: int
    answer: str
    steps: tuple[Step, ...]


class LogIn(Message, tag="log_in"):
    """keeper: is this client who it says? Answered by LoggedIn.

    Attributes:
        mechanism, user, first, second: as in core.protocol.sasl.Attempt.
        client: its address.
        auth_cdb: AUTH_CDB of its rule, empty for control/smtpauth.
    """

    ref: int
    mechanism: bytes
    user: bytes
    first: bytes
    second: bytes
    client: bytes
    auth_cdb: bytes


class LoggedIn(Message, tag="logged_in"):
    """keeper's answer; the fields are those of core.ask.LoginFact."""

    ref: int
    answer: str
    user: bytes
    source: str
    reason: str
    data: bytes
    environment: tuple[tuple[bytes, bytes], ...]
    may_relay: bool
    exists: bool = False


class AskVerified(Message, tag="ask_verified"):
    """keeper: which mechanisms does every account have a verifier for? Answered by Verified."""


class Verified(Message, tag="verified"):
    """keeper's answer: CRAM-MD5, SCRAM-SHA-256 or nothing."""

    mechanisms: tuple[bytes, ...]


encode = msgspec.msgpack.Encoder().encode
