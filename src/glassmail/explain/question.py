"""What a person has in hand, and what to look for because of it.

Purpose:
    `understand` reads anything: a trace code, a number, an address, a Message-ID, a client, the
    path of a file in a Maildir, a log line, a bounce, an error text, a header, another server's
    queue id. It gives readings, strongest first; the first one that the history knows is told.

Always:
    A reading is made of words that stand in the text. A text in which nothing can be looked for
    is a QuestionError, unless it is a known error text: then its advice alone is the answer.
"""

import ipaddress
import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from glassmail.core.model import code
from glassmail.core.model.system_errors import words_of
from glassmail.events.case import Query, QueryKind
from glassmail.explain.remedies import NONE, Advice

TEXT_LENGTH_MAX = 1_000_000  # pasted; more is cut
WORD_LENGTH_MAX = 1_100  # an address of qmail has at most 1,002 bytes
READINGS_MAX = 24
DOMAINS_MAX = 12  # in which a name without a domain is looked for
_WINDOW_NS = 2_000_000_000  # a log line's time may differ from the history's by so much

FORMS = (
    "give a trace code (K7Q2-M4XW-3H), an address, a user's name, a domain, a Message-ID, a "
    "message number (#7), a client's address (192.0.2.7), a file in a Maildir, a log line, a "
    "bounce, an error text, a header, or another server's queue id"
)


class QuestionError(ValueError):
    """The question cannot be understood; str() says what can be asked."""


class Reading(NamedTuple):
    """One way to read a question.

    Attributes:
        words: what it is taken for, for people.
        query: what to look for.
    """

    words: str
    query: Query


class Question(NamedTuple):
    """A question understood.

    Attributes:
        asked: what to call it in the answer.
        readings: strongest first.
        header: its header, as text, when it is one or holds one.
        advice: what a known error text in it means.
        is_pasted: it is more than one word, so that the answer says how it was read.
        is_own_file: the header is of a file in a mailbox here.
    """

    asked: str
    readings: tuple[Reading, ...]
    header: str = ""
    advice: Advice = NONE
    is_pasted: bool = False
    is_own_file: bool = False

    @property
    def address(self) -> str:
        """The address or user asked about; empty when what is asked may be more than an address."""
        for index, (words, query) in enumerate(self.readings):
            if words == USER_HERE:
                # Behind other readings it is more likely another server's queue id.
                return self.asked if index == 0 else ""
            if "address" in query.kinds:
                return query.text
        return ""


class Limits(NamedTuple):
    """What every reading is restricted to.

    Attributes:
        since, until: nanoseconds since 1970, 0 for no limit.
        sender, recipient: addresses, empty for all.
        viewer: --as.
    """

    since: int = 0
    until: int = 0
    sender: str = ""
    recipient: str = ""
    viewer: str = ""

    def apply(self, query: Query) -> Query:
        """Restrict a query; its own time stays within the limits."""
        return Query(
            query.kinds, query.text, query.number, query.part,
            max(query.since, self.since),
            min(query.until, self.until) if query.until and self.until
            else query.until or self.until,
            query.most, query.sender or self.sender, query.recipient or self.recipient,
            self.viewer,
        )  # fmt: skip


NO_LIMITS = Limits()


def understand(
    text: str, now: int, limits: Limits = NO_LIMITS, domains: Sequence[str] = ()
) -> Question:
    """Understand what is asked for.

    Args:
        text: what a person gave.
        now: nanoseconds since 1970, for stamps without a year.
        limits: restrictions of every reading.
        domains: where a name without a domain is looked for.

    Raises:
        QuestionError: nothing in it can be looked for.
    """
    text = text[:TEXT_LENGTH_MAX].strip()
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"`" and "\n" not in text:
        text = text[1:-1].strip()  # quoted for a shell, and once more
    if not text and (limits.sender or limits.recipient):
        return _of_limits(limits)
    path = _file_of(text)
    readings = tuple(_of_word(text)) if not path and _is_word(text) else ()
    if path:
        question = _of_file(path)
    elif readings or _MISTYPED.fullmatch(text):
        question = Question(text, readings)
    else:
        from glassmail.explain.pasted import understand_pasted  # costs 20 ms, not for a code

        question = understand_pasted(text, now)
    if not readings and _MISTYPED.fullmatch(text):
        raise QuestionError(f"{text[:40]!r} is mistyped: the last character of a trace code "
                            f"is made from the others, and does not fit them; {FORMS}")  # fmt: skip
    if not question.advice.id and all(r.query.kinds == ("remote_id",) for r in readings):
        question = question._replace(readings=(*question.readings, *_of_user(text, domains)))
    if not question.readings and not question.header and not question.advice.id:
        raise QuestionError(f"cannot look for {text[:40]!r}: {FORMS}" if text else FORMS)
    limited = [Reading(words, limits.apply(query)) for words, query in question.readings]
    return question._replace(readings=tuple(dict.fromkeys(limited))[:READINGS_MAX])


def _of_limits(limits: Limits) -> Question:
    """`--from` and `--to` alone: the recipient is looked for, the sender must be as given."""
    wanted = limits.recipient or limits.sender
    asked = "mail" + "".join(
        f" {word} {name}" for word, name in (("from", limits.sender), ("to", limits.recipient))
        if name
    )  # fmt: skip
    kind: QueryKind = "domain" if wanted.startswith("@") else "address"
    reading = Reading(kind, limits.apply(Query((kind,), text=wanted)))
    return Question(asked, (reading,))


def _is_word(text: str) -> bool:
    return len(text) <= WORD_LENGTH_MAX and not re.search(r"\s", text) and text.isprintable()


def _of_user(text: str, domains: Sequence[str]) -> Iterator[Reading]:
    """Read a name without a domain: a user of one of these domains."""
    if domains and _USER.fullmatch(text):
        for domain in domains[:DOMAINS_MAX]:
            yield Reading(USER_HERE, Query(("address",), text=f"{text}@{domain}"))
        yield Reading("account of a refused login", Query(("login",), text=text))


def _of_word(text: str) -> Iterator[Reading]:
    """Read a single word."""
    bare = text.removeprefix("<").removesuffix(">").strip("\"'")
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) <= 18:
        yield Reading("message number", Query(("message",), number=int(number)))
        if not text.startswith("#") and len(number) >= 4:
            yield Reading("another server's queue id", remote_id(f"qp {number}"))
            yield Reading("another server's queue id", remote_id(number))
        return
    trace = code.parse(text.encode("utf-8", "replace"))
    if trace is not None and "@" not in text:
        yield Reading("trace code", Query(("code",), number=trace[0], part=trace[1]))
        return
    client = client_of(text)
    if client:
        yield Reading("client", Query(("client",), text=client))
    elif _DOMAIN.fullmatch(text):
        yield Reading("domain", Query(("domain",), text=text.removeprefix("@")))
        if not text.startswith("@"):
            yield Reading("another server's queue id", remote_id(text))
    elif "@" in text:
        # `<a@b>` may be an address as a log shows it, or a Message-ID: both are looked for.
        yield Reading("address or Message-ID", Query(("address", "message_id"), text=bare))
        yield Reading("account of a refused login", Query(("login",), text=bare))
    elif text.startswith("<"):
        yield Reading("Message-ID", Query(("message_id",), text=bare))
    elif not _MISTYPED.fullmatch(text):
        yield from of_file_name(os.path.basename(text))
        if _REMOTE_ID.fullmatch(text):
            yield Reading("another server's queue id", remote_id(text))


_DOMAIN = re.compile(r"@?(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.){1,12}"
                     r"(?:[A-Za-z]{2,63}|xn--[A-Za-z0-9-]{1,59})")  # fmt: skip
USER_HERE = "user here"
_USER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9._+=-]{1,64}")
_REMOTE_ID = re.compile(r"(?=[A-Za-z.-]*[0-9])[A-Za-z0-9.-]{5,100}")
# A trace code with a wrong character shall be typed again, not be looked for elsewhere.
_MISTYPED = re.compile(r"\[?[0-9A-Za-z]{4}-[0-9A-Za-z]{4}-[0-9A-Za-z]{2}(?:/[0-9]+)?\]?")


def remote_id(name: str) -> Query:
    """Look for what another server called a message."""
    return Query(("remote_id",), text=name)


# Files of ours: `1795187041.M5R0C71L0.mx.example.test,S=900,W=920` (stations.deliver_files): when
# the message was accepted, its number, the recipient's, the trace code's, the instruction's.
_OUR_FILE = re.compile(r"([0-9]{9,11})\.M([0-9]{1,18})R[0-9]{1,9}[.a-zA-Z-]\S*")
_KEPT_NS = 30 * 86_400_000_000_000  # no message stays in the queue for so long


def of_file_name(name: str) -> Iterator[Reading]:
    """Read a Maildir's file name of ours: it holds the message's number."""
    match = _OUR_FILE.fullmatch(name)
    if match is not None:
        born = int(match[1]) * 1_000_000_000
        since = max(1, born - _WINDOW_NS)
        # Numbers begin anew with a new queue: the message of that second is the one.
        for until in (born + 2 * _WINDOW_NS, born + _KEPT_NS):
            query = Query(("message",), number=int(match[2]), since=since, until=until)
            yield Reading("file in a Maildir", query)


def _file_of(text: str) -> str:
    """Return the path when the text names a readable file."""
    if "\n" in text or len(text) > 4_096 or "/" not in text:
        return ""
    path = os.path.expanduser(text)
    return path if os.path.isfile(path) else ""


_HEADER_BYTES_MAX = 262_144


def _of_file(path: str) -> Question:
    from glassmail.explain.pasted import understand_pasted

    try:
        with open(path, "rb") as file:
            data = file.read(_HEADER_BYTES_MAX)
    except OSError as error:
        raise QuestionError(f"{path}: {words_of(error)}: ask as a user who may read it") from error
    text = data.partition(b"\n\n")[0] if _is_letter(path) else data
    readings = tuple(of_file_name(os.path.basename(path)))
    found = understand_pasted(text.decode("utf-8", "backslashreplace"), 0)
    return found._replace(
        asked=path, readings=(*readings, *found.readings), is_own_file=_is_letter(path)
    )


def _is_letter(path: str) -> bool:
    return os.path.basename(os.path.dirname(os.path.abspath(path))) in {"new", "cur", "tmp"}


def client_of(text: str) -> str:
    """Return a numeric address as the sessions write it; empty when it is none."""
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        return ""


def around(query: Query, at: int, precision: int = 0) -> Query:
    """Restrict a query to the moment of a log line; unchanged when the line has no stamp."""
    if not at:
        return query
    since, until = max(1, at - _WINDOW_NS - precision), at + _WINDOW_NS + precision
    return Query(query.kinds, query.text, query.number, query.part, since, until)


def names(readings: Sequence[Reading]) -> str:
    """Say what was looked for, each kind once."""
    users = ", ".join(query.text for words, query in readings if words == USER_HERE)
    return ", ".join(dict.fromkeys(
        f"{words} ({users})" if words == USER_HERE else words for words, query in readings
    ))  # fmt: skip
