"""What did happen: understand the question, get the cases from the log or from its files.

Purpose:
    `answer` looks for the readings of a question (explain.question); `ask_history` asks the
    running log process and, when there is none, reads the history's files with the caller's rights.

Always:
    What cannot be told is said so (CannotTellError), never guessed.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from glassmail.core.model.system_errors import words_of
from glassmail.events.case import Case, Coverage, Found, Near, NearQuery, Query, Visit
from glassmail.explain.question import (
    FORMS,
    Limits,
    Question,
    QuestionError,
    Reading,
    understand,
)
from glassmail.net.blocking import BlockingChannel, ChannelError, connect
from glassmail.net.messages import Failed, Hello, Request, Rows, encode
from glassmail.settings.place import Place
from glassmail.store.history import everywhere
from glassmail.store.history.schema import HistoryError

if TYPE_CHECKING:
    from glassmail.explain.nearby import Nearby

ANSWER_TIMEOUT_S = 30.0

_Answer = Rows | Failed
_decoder: msgspec.msgpack.Decoder[_Answer] = msgspec.msgpack.Decoder(_Answer)


class CannotTellError(Exception):
    """Nobody can answer now, or not to this caller; str() says why and what to do."""


class Answer(NamedTuple):
    """What the history says to a question.

    Attributes:
        found: head of the last search: count, time covered.
        cases: newest first; empty when nothing is known.
        reading: the reading that was found, None when none was.
        nearby: who of the sender's networks connected, when nothing was found.
    """

    found: Found
    cases: list[Case]
    reading: Reading | None
    nearby: "Nearby | None" = None


def parse_question(text: str, since: int = 0, until: int = 0) -> Query:
    """Return the first reading of a question.

    Args:
        text: what a person has in hand.
        since: nanoseconds since 1970, 0 for no limit.
        until: the same.

    Raises:
        QuestionError: nothing in it can be looked for.
    """
    readings = understand(text, 0, Limits(since, until)).readings
    if not readings:
        raise QuestionError(f"cannot look for {text[:40]!r}: {FORMS}")
    return readings[0].query


def answer(place: Place, question: Question, archive: str = "") -> Answer:
    """Look for the readings of a question, strongest first, up to the first one that is known.

    Args:
        place: the site.
        question: what is asked.
        archive: a directory of day files to ask instead of the site's history.

    Raises:
        CannotTellError: the history cannot be asked.
    """
    found = Found(0, False, Coverage(0, 0))
    for reading in question.readings:
        if archive:
            found, cases = everywhere.search(archive, reading.query)
        else:
            found, cases = ask_history(place, reading.query)
        if cases:
            return Answer(found, cases, reading)
    return Answer(found, [], None)


def ask_history(place: Place, query: Query) -> tuple[Found, list[Case]]:
    """Ask the log process, or read its files when there is none.

    Raises:
        CannotTellError: neither is possible.
    """
    rows = _ask(place, "why", query)
    if rows is not None:
        found = msgspec.json.decode(rows[0], type=Found)
        return found, [msgspec.json.decode(row, type=Case) for row in rows[1:]]
    found, cases = _read(lambda: everywhere.search(place.history, query))
    if found.unread and not cases:
        raise CannotTellError(f"the server does not answer, and {found.unread[0]}: {_REMEDY}")
    return found, cases


def ask_visits(place: Place, query: NearQuery) -> tuple[Near, list[Visit]]:
    """Ask who connected, as `ask_history` does; raises CannotTellError."""
    rows = _ask(place, "near", query)
    if rows is not None:
        near = msgspec.json.decode(rows[0], type=Near)
        return near, [msgspec.json.decode(row, type=Visit) for row in rows[1:]]
    return _read(lambda: everywhere.visits(place.history, query))


_REMEDY = "ask as root or as the site's owner, or start the server"


def _ask(place: Place, verb: str, query: Query | NearQuery) -> list[bytes] | None:
    """Ask the log process; None when there is none."""
    try:
        channel = connect(place.log_socket, ANSWER_TIMEOUT_S)
    except OSError as error:
        if isinstance(error, PermissionError):
            text = f"{place.log_socket}: {words_of(error)}: {_REMEDY}"
            raise CannotTellError(text) from error
        if not os.path.isdir(place.control):  # an empty history there would be a false answer
            raise CannotTellError(f"{place.root}: no such site: name it by --root") from error
        return None
    try:
        return _answered(channel, verb, query)
    except (OSError, ChannelError, msgspec.MsgspecError) as error:
        raise CannotTellError(f"the log process did not answer: {error}: ask again") from error
    finally:
        channel.close()


def _answered(channel: BlockingChannel, verb: str, query: Query | NearQuery) -> list[bytes]:
    channel.send(encode(Hello("client", os.getpid())))
    channel.send(encode(Request(1, verb, msgspec.to_builtins(query))))
    rows: list[bytes] = []
    while True:
        frame = channel.receive()
        if frame is None:
            raise CannotTellError("the log process ended before it answered: ask again")
        message = _decoder.decode(frame[0])
        if isinstance(message, Failed):
            raise CannotTellError(message.text)
        rows += message.rows
        if not message.more:
            break
    if not rows:
        raise CannotTellError("the log process answered with nothing: ask again")
    return rows


_Read = TypeVar("_Read")


def _read(read: Callable[[], _Read]) -> _Read:
    """Read the history's files as root or as the site's owner."""
    try:
        return read()
    except HistoryError as problem:
        text = f"the server does not answer, and {problem}: {_REMEDY}"
        raise CannotTellError(text) from problem
