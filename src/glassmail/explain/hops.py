"""The way of a message as its header tells it: one hop for each Received line.

Purpose:
    `read_header` takes a pasted header, or the beginning of a file in a Maildir, apart. Received
    lines stand newest first; hops are told bottom-up, in the order in which they happened, each
    with the time since the one before.

Always:
    Whoever handed the message over can have written any line below the first one of this server.
    `vouched` is the lowest hop of the unbroken row of ours at the top: what stands below it is
    only what others say. Without one of ours at the top nothing is vouched for.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from glassmail.core.model import code

LINES_MAX = 2_000
HOPS_MAX = 100  # RFC 5321, 6.3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELD = re.compile(r"([!-9;-~]{1,78}):[ \t]*(.*)", re.DOTALL)
_QMAIL = re.compile(r"\(qmail ([0-9]{1,18}) invoked ([^)]*)\)")
_TRACE = re.compile(r"\(trace ([0-9A-Za-z/-]{10,22})\)")
_FROM = re.compile(r"^from\s+(\S+)")
_HELO = re.compile(r"\(HELO ([^)\s]+)\)", re.IGNORECASE)
_BY = re.compile(r"\bby\s+([^\s;()]+)")
_WITH = re.compile(r"\bwith\s+([^;()]+?)(?=\s+(?:id|for|by|via)\b|\s*[;(]|$)")
_ID = re.compile(r"\bid\s+([^\s;()]+)")
_FOR = re.compile(r"\bfor\s+<?([^\s;<>()]+)>?")
_IP = re.compile(r"(?:\[|\((?:[^\s()@]*@)?|\bip=)(?:IPv6:)?([0-9a-fA-F:.]{3,45})[\])]")


class Hop(NamedTuple):
    """One server's Received line.

    Attributes:
        sender: the name the client gave or has, empty when the line names none.
        ip: the client's numeric address, empty when unknown.
        by: the server that wrote the line.
        protocol: SMTP, ESMTPS, ...
        id: the server's own name for the message.
        at: nanoseconds since 1970, 0 when the date cannot be read.
        number: message number of a `(qmail N invoked ...)` line, 0 for others.
        code, part: the trace code in the line, 0 for none.
        is_ours: the line is of this server's making, as it says itself.
        text: the line, unfolded.
    """

    sender: str
    ip: str
    by: str
    protocol: str
    id: str
    at: int
    number: int
    code: int
    part: int
    is_ours: bool
    text: str


class Header(NamedTuple):
    """What a header tells.

    Attributes:
        hops: oldest first.
        vouched: index of the first hop that this server can vouch for, -1 for none.
        message_id: bare, empty when missing.
        delivered_to: addresses of Delivered-To lines, newest first.
        sender: Return-Path, empty when missing or null.
    """

    hops: tuple[Hop, ...]
    vouched: int
    message_id: str
    delivered_to: tuple[str, ...]
    sender: str

    @property
    def own(self) -> Hop | None:
        """The newest hop of ours with a trace code, else the newest of ours."""
        ours = [hop for hop in self.hops if hop.is_ours]
        coded = [hop for hop in ours if hop.code]
        return (coded or ours or [None])[-1]  # type: ignore[list-item]

    @property
    def newest_at(self) -> int:
        """The latest time that a line names, 0 for none."""
        return max((hop.at for hop in self.hops), default=0)


def read_header(
    text: str, own_names: Sequence[str] = (), *, is_own_file: bool = False
) -> Header | None:
    """Take a header apart; None when the text does not begin with one.

    Args:
        text: header, perhaps with the body behind it.
        own_names: names that this server gives itself in `by`.
        is_own_file: the text is of a mailbox here, so that the newest line is this server's.
    """
    fields = _fields(text)
    if not any(name in {"received", "message-id", "delivered-to"} for name, _value in fields):
        return None
    names = frozenset(name.lower() for name in own_names)
    received = [value for name, value in fields if name == "received"][:HOPS_MAX]
    hops = _marked([_hop(value) for value in received], names, is_own_file=is_own_file)
    return Header(
        tuple(reversed(hops)),
        _vouched(hops),
        _first(fields, "message-id").strip("<> "),
        tuple(value for name, value in fields if name == "delivered-to" and value),
        _first(fields, "return-path").strip("<> "),
    )


def delays(header: Header) -> list[int | None]:
    """Return for each hop the nanoseconds since the hop before; None where it cannot be told."""
    found: list[int | None] = []
    before = 0
    for hop in header.hops:
        found.append(hop.at - before if hop.at and before else None)
        before = hop.at or before
    return found


def _fields(text: str) -> list[tuple[str, str]]:
    """Unfold header fields; the lines of a mail program's quote (`> `) count as well."""
    fields: list[tuple[str, str]] = []
    lines = text.replace("\r\n", "\n").lstrip("\n").split("\n")[:LINES_MAX]
    for raw in lines:
        line = raw.removeprefix("> ")
        if line[:1] in {" ", "\t"} and fields:
            name, value = fields[-1]
            fields[-1] = name, f"{value} {line.strip()}"
            continue
        if not line.strip():
            break
        match = _FIELD.fullmatch(line)
        if match is None:
            if line.startswith("From ") and not fields:
                continue  # an mbox's own line
            break
        fields.append((match[1].lower(), match[2].strip()))
    return fields


def _first(fields: list[tuple[str, str]], wanted: str) -> str:
    return next((value for name, value in fields if name == wanted), "")


def _hop(line: str) -> Hop:
    body, _semicolon, date = line.rpartition(";")
    if not _semicolon:
        body, date = line, ""
    qmail = _QMAIL.search(body)
    trace = _TRACE.search(body)
    if qmail and body.lstrip().startswith("(qmail "):
        return Hop("", "", "", "", "", _moment(date), int(qmail[1]), 0, 0, False, line)
    number = code.parse(trace[1].encode("ascii", "replace")) if trace else None
    name, helo, ip = _FROM.match(body), _HELO.search(body), _IP.search(body)
    sender = name[1] if name else ""
    if helo and sender in {"", "unknown"}:
        sender = helo[1]
    return Hop(
        sender=sender,
        ip=ip[1] if ip and any(c in ip[1] for c in ".:") else "",
        by=_group(_BY, body),
        protocol=_group(_WITH, body).strip(),
        id=_group(_ID, body),
        at=_moment(date),
        number=int(qmail[1]) if qmail else 0,
        code=number[0] if number else 0,
        part=number[1] if number else 0,
        is_ours=False,
        text=line,
    )


def _marked(hops: list[Hop], names: frozenset[str], *, is_own_file: bool) -> list[Hop]:
    """Mark the lines of ours, newest first.

    A `(qmail N invoked ...)` line names no server: it is ours when the line below it is, or when
    it stands on top of a file in a mailbox here (a message handed in by a command has no other).
    """
    marked: list[Hop] = []
    for index, hop in enumerate(hops):
        is_ours = bool(hop.code) or hop.by.lower() in names
        if hop.number and not hop.by:
            below = hops[index + 1] if index + 1 < len(hops) else None
            is_ours = below is not None and (bool(below.code) or below.by.lower() in names)
            is_ours = is_ours or (is_own_file and all(one.is_ours for one in marked))
        marked.append(hop._replace(is_ours=is_ours))
    return marked


def _vouched(newest_first: list[Hop]) -> int:
    count = 0
    for hop in newest_first:
        if not hop.is_ours:
            break
        count += 1
    return len(newest_first) - count if count else -1


def _group(pattern: "re.Pattern[str]", text: str) -> str:
    match = pattern.search(text)
    return match[1] if match else ""


def _moment(text: str) -> int:
    try:
        moment = parsedate_to_datetime(text.strip())
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    if moment.tzinfo is None:  # `-0000`: UTC, and nothing is said of the zone (RFC 5322, 3.3)
        moment = moment.replace(tzinfo=UTC)
    since = moment - _EPOCH
    return max(0, (since.days * 86_400 + since.seconds) * 1_000_000_000)
