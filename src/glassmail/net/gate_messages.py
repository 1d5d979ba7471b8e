"""What the gate and the processes of the SMTP server say to each other (see net.messages)."""

from glassmail.net.messages import Message


class Enter(Message, tag="enter"):
    """A client is there; answered by Entered unless ref is 0. Those that left are gone before.

    Attributes:
        free: how many open connections, of its network and of all, are few enough that nobody
            has to ask; -1 for no limit.
    """

    ref: int
    ip: bytes
    left: tuple[bytes, ...] = ()
    free: tuple[int, int] = (-1, -1)


class Entered(Message, tag="entered"):
    """Connections open now, the new one included: of its address, of its network, of all."""

    ref: int
    address: int
    network: int
    total: int


class Leave(Message, tag="leave"):
    """Clients that entered are gone; answered by Entered, with who is left, unless ref is 0."""

    ips: tuple[bytes, ...]
    ref: int = 0


class Alone(Message, tag="alone"):
    """Whether the process is the only one that counts: then its own counts are everybody's."""

    is_alone: bool
    servers: int = 0  # how many count


class Crowded(Message, tag="crowded"):
    """Whether connections of a network, empty for all, must be asked about."""

    network: str
    is_crowded: bool


class Moved(Message, tag="moved"):
    """Who came and who went lately. Not answered: no limit is about them, or the teller knows."""

    entered: tuple[bytes, ...]
    left: tuple[bytes, ...]


class Happened(Message, tag="happened"):
    """Something that is limited happened: a kind of core.schedule.gate_book."""

    kind: str
    ip: bytes
    account: bytes = b""


class MayLogIn(Message, tag="may_log_in"):
    """May this client try a password for this account? Answered by Permitted."""

    ref: int
    ip: bytes
    account: bytes


class MaySend(Message, tag="may_send"):
    """An account sends to so many recipients. Answered by Permitted."""

    ref: int
    account: bytes
    recipients: int
    ip: bytes


class Permitted(Message, tag="permitted"):
    """Yes or no, the count so far, and what the answer rests on."""

    ref: int
    is_permitted: bool
    count: int
    source: str


class Block(Message, tag="block"):
    """Nobody of this network is served until then (seconds since 1970)."""

    network: str
    until: float
    reason: str


class Unblock(Message, tag="unblock"):
    """A block is lifted."""

    network: str


class Tap(Message, tag="tap"):
    """Send transcripts of these sessions: of clients in a network, or with a recipient.

    Attributes:
        number: what the transcripts are to be marked with.
        network: numeric; empty when recipients are asked for.
        recipient: an address, or `@domain`, in lower case; empty when clients are asked for.
        has_bodies, has_secrets: whether messages and passwords are wanted, too.
        until: seconds since 1970.
    """

    number: int
    network: str
    recipient: bytes
    has_bodies: bool
    has_secrets: bool
    until: float


class Untap(Message, tag="untap"):
    """A tap has ended."""

    number: int


class Transcript(Message, tag="transcript"):
    """Lines of a tapped session, as JSON objects."""

    number: int
    rows: tuple[bytes, ...]
