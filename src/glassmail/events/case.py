"""What the history found: cases, and the time it can speak for. Travels from log to `why` as JSON.

A case is one message with everything that came of it (bounces, forwards), or a session, or one
message's worth of a session, that was refused.
"""

from typing import Literal

import msgspec

QueryKind = Literal[
    "code", "message", "address", "domain", "message_id", "client", "delivery", "remote_id", "time",
    "login",
]


# Message numbers of an imported log are inodes, which qmail uses again and again: each further
# life of a number is told apart by a multiple of this.
LIFE = 10**12


def shown_number(message: int) -> int:
    """The number of a message as its server's log shows it."""
    return message % LIFE


class Query(msgspec.Struct, frozen=True):
    """What is looked for.

    Attributes:
        kinds: how the text may be read; any of them matches. `time` asks for what went wrong in
            sessions between since and until, `login` for the refused logins of an account.
        text: the address, domain, Message-ID (bare), client, account or other server's queue id.
        number: trace code, message or delivery number.
        part: message of the session, 0 for all.
        since, until: nanoseconds since 1970; 0 for no limit.
        most: how many cases are wanted; more are counted only.
        sender, recipient: only mail from, and to, these addresses; empty for all. `@domain`
            stands for each address of a domain.
        viewer: only what the owner of this address (or `@domain`) may see; empty for all.
    """

    kinds: tuple[QueryKind, ...]
    text: str = ""
    number: int = 0
    part: int = 0
    since: int = 0
    until: int = 0
    most: int = 20
    sender: str = ""
    recipient: str = ""
    viewer: str = ""


class Case(msgspec.Struct, frozen=True):
    """One case.

    Attributes:
        message: number of the message the case is about, 0 for a refused session.
        code, part: its trace code; 0 when none.
        events: encoded (events.codec), in the order of their times, bounces and forwards included.
        left_out: events that were too many to send.
        at: nanoseconds since 1970 of its beginning.
    """

    message: int
    code: int
    part: int
    events: bytes
    left_out: int = 0
    at: int = 0


class Coverage(msgspec.Struct, frozen=True):
    """The time the history speaks for: nanoseconds since 1970; 0 and 0 when it is empty.

    Attributes:
        gaps: (from, until) when the log process did not run: refusals of that time are not
            recorded. Facts of messages come later and are complete.
        losses: (when, sentence) of events known to be missing.
    """

    first: int
    last: int
    gaps: tuple[tuple[int, int], ...] = ()
    losses: tuple[tuple[int, str], ...] = ()


class Found(msgspec.Struct, frozen=True):
    """Head of an answer; the cases follow, newest first.

    Attributes:
        count: how many cases there are.
        is_more: counting stopped there.
        coverage: the time that was searched.
        unread: files that could not be read, with the reason.
    """

    count: int
    is_more: bool
    coverage: Coverage
    unread: tuple[str, ...] = ()


class NearQuery(msgspec.Struct, frozen=True):
    """Who connected: what is asked when mail never came.

    Attributes:
        networks: first and last numeric address of each, with a blank between them.
        names: host names that a client's name or HELO is, or ends with.
        since, until: nanoseconds since 1970; 0 for no limit. Whole days are looked at.
    """

    networks: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    since: int = 0
    until: int = 0


class Visit(msgspec.Struct, frozen=True):
    """The sessions of one client, of one day or summed up.

    Attributes:
        client: numeric address.
        name, helo: its newest reverse name and HELO that are known.
        first, last: nanoseconds since 1970.
        sessions: how many; accepted: messages; refused: replies of 4xx and 5xx.
        broken: sessions that brought nothing and did not end by QUIT.
    """

    client: str
    name: str
    helo: str
    first: int
    last: int
    sessions: int
    accepted: int
    refused: int
    broken: int


class Near(msgspec.Struct, frozen=True):
    """Head of the answer to a NearQuery; its Visits follow, newest first.

    Attributes:
        clients, sessions: all that there were in the days that were looked at.
        coverage: as in Found.
    """

    clients: int
    sessions: int
    coverage: Coverage
