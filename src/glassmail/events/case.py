"""What the history found: cases, and the time it can speak for. Travels from log to `why` as JSON.

A case is one message with everything that came of it (bounces, forwards), or a session, or one
message's worth of a session, that was refused.
"""

from typing import Literal

import msgspec

QueryKind = Literal["code", "message", "address", "message_id", "client"]


class Query(msgspec.Struct, frozen=True):
    """What is looked for.

    Attributes:
        kinds: how the text may be read; any of them matches.
        text: the address, Message-ID (bare) or client, folded where that kind folds.
        number: trace code number or message number.
        part: message of the session, 0 for all.
        since, until: nanoseconds since 1970; 0 for no limit.
        most: how many cases are wanted; more are counted only.
    """

    kinds: tuple[QueryKind, ...]
    text: str = ""
    number: int = 0
    part: int = 0
    since: int = 0
    until: int = 0
    most: int = 20


class Case(msgspec.Struct, frozen=True):
    """One case.

    Attributes:
        message: number of the message the case is about, 0 for a refused session.
        code, part: its trace code; 0 when none.
        events: encoded (events.codec), in the order of their times, bounces and forwards included.
        left_out: events that were too many to send.
    """

    message: int
    code: int
    part: int
    events: bytes
    left_out: int = 0


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
