"""What did happen: understand the question, get the cases from the log or from its files.

Purpose:
    `parse_question` reads what a person wrote; `ask_history` asks the running log process and,
    when there is none, reads the history's files with the caller's rights.

Always:
    What cannot be told is said so (CannotTellError), never guessed.
"""

import ipaddress
import os

import msgspec

from glassmail.core.model import code
from glassmail.events.case import Case, Found, Query
from glassmail.net.blocking import BlockingChannel, ChannelError, connect
from glassmail.net.messages import Failed, Hello, Request, Rows, encode
from glassmail.settings.place import Place
from glassmail.store.history.reader import Archive
from glassmail.store.history.schema import HistoryError
from glassmail.store.history.search import Search

ANSWER_TIMEOUT_S = 30.0
TEXT_LENGTH_MAX = 1_100  # an address of qmail has at most 1,002 bytes

_Answer = Rows | Failed
_decoder: msgspec.msgpack.Decoder[_Answer] = msgspec.msgpack.Decoder(_Answer)


class QuestionError(ValueError):
    """The question cannot be understood; str() says what can be asked."""


class CannotTellError(Exception):
    """Nobody can answer now, or not to this caller; str() says why and what to do."""


def parse_question(text: str, since: int = 0, until: int = 0) -> Query:
    """Understand what is asked for.

    Args:
        text: a trace code, `#7` or `7` (message number), an address, a Message-ID, or a client's
            numeric address.
        since: nanoseconds since 1970, 0 for no limit.
        until: the same.

    Raises:
        QuestionError: it is none of these.
    """
    text = text.strip()
    if not text or len(text) > TEXT_LENGTH_MAX or not text.isprintable():
        raise QuestionError(f"cannot look for {text[:40]!r}: {_FORMS}")
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) <= 18:
        return Query(("message",), number=int(number), since=since, until=until)
    trace = code.parse(text.encode("utf-8", "replace"))
    if trace is not None and "@" not in text:
        return Query(("code",), number=trace[0], part=trace[1], since=since, until=until)
    client = _client(text)
    if client:
        return Query(("client",), text=client, since=since, until=until)
    if "@" in text:
        # `<a@b>` may be an address as a log shows it, or a Message-ID: both are looked for.
        bare = text.removeprefix("<").removesuffix(">")
        return Query(("address", "message_id"), text=bare, since=since, until=until)
    if text.startswith("<"):
        bare = text.removeprefix("<").removesuffix(">")
        return Query(("message_id",), text=bare, since=since, until=until)
    raise QuestionError(f"cannot look for {text!r}: {_FORMS}")


_FORMS = (
    "give a trace code (K7Q2-M4XW-3H), an address, a Message-ID, "
    "a message number (#7) or a client's address (192.0.2.7)"
)


def ask_history(place: Place, query: Query) -> tuple[Found, list[Case]]:
    """Ask the log process, or read its files when there is none.

    Raises:
        CannotTellError: neither is possible.
    """
    try:
        channel = connect(place.log_socket, ANSWER_TIMEOUT_S)
    except OSError as error:
        return _read_files(place, query, error)
    try:
        return _ask(channel, query)
    except (OSError, ChannelError, msgspec.MsgspecError) as error:
        raise CannotTellError(f"the log process did not answer: {error}: ask again") from error
    finally:
        channel.close()


def _ask(channel: BlockingChannel, query: Query) -> tuple[Found, list[Case]]:
    channel.send(encode(Hello("client", os.getpid())))
    channel.send(encode(Request(1, "why", msgspec.to_builtins(query))))
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
    found = msgspec.json.decode(rows[0], type=Found)
    return found, [msgspec.json.decode(row, type=Case) for row in rows[1:]]


def _read_files(place: Place, query: Query, error: OSError) -> tuple[Found, list[Case]]:
    """Read the history as root or as the site's owner."""
    remedy = "ask as root or as the site's owner, or start the server"
    if not os.path.isdir(place.root):
        raise CannotTellError(f"{place.root}: no such site: name it by --root") from error
    if isinstance(error, PermissionError):
        raise CannotTellError(f"{place.log_socket}: {error.strerror}: {remedy}") from error
    try:
        archive = Archive(place.history)
    except HistoryError as problem:
        raise CannotTellError(f"the server does not answer, and {problem}: {remedy}") from problem
    try:
        found, cases = Search(archive).find(query)
    finally:
        archive.close()
    if found.unread and not cases:
        raise CannotTellError(f"the server does not answer, and {found.unread[0]}: {remedy}")
    return found, cases


def _client(text: str) -> str:
    """Return a numeric address as the sessions write it; empty when it is none."""
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        return ""
