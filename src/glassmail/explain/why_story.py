"""A case as a story: entries in the order of time, for people and for programs alike.

Purpose:
    `tell` turns the events of a case into Entries. An Entry is a JSON object (`row`) with its time
    and its steps; `why_rows` prints them as JSON lines, `why_text` as a timeline.

Always:
    One delivery attempt is one entry: its start, its routing steps, its result, its steps.
"""

from typing import NamedTuple

from glassmail.core.model.trail import Trail
from glassmail.events import codec
from glassmail.events.case import Case, shown_number
from glassmail.events.codec import AnyEvent
from glassmail.events.fields import Field, code_text, time_of
from glassmail.events.queue import (
    Accepted,
    Administered,
    Bounced,
    Discarded,
    Ended,
    Settled,
    Started,
)
from glassmail.events.smtpd import Handed, Refused, SessionEnded, Story

Row = dict[str, Field]

OUTCOMES = {"K": "delivered", "Z": "deferred", "D": "failed"}
UNDER_WAY = "under way"


class Entry(NamedTuple):
    """One thing that happened.

    Attributes:
        at: nanoseconds since 1970.
        row: its JSON object; `kind` says what it is.
        steps: what was asked before it.
        more_steps: what was asked during it (a delivery after its routing).
        ended: when it ended, 0 when it has not or is a moment.
    """

    at: int
    row: Row
    steps: Trail = ()
    more_steps: Trail = ()
    ended: int = 0

    @property
    def kind(self) -> str:
        """What it is: session, refused, accepted, attempt, ..."""
        return str(self.row["kind"])


def text_of(data: bytes) -> str:
    """Decode bytes off the wire for JSON."""
    return data.decode("utf-8", "backslashreplace")


def tell(case: Case) -> tuple[list[AnyEvent], list[Entry]]:
    """Return the events of a case and its entries, in the order of their times."""
    events = codec.decode(case.events)
    entries: list[Entry] = []
    originals: dict[tuple[int, int], bytes] = {}
    settled: dict[tuple[int, int, int], Settled] = {}
    for event in events:
        if isinstance(event, Accepted):
            for number, recipient in enumerate(event.recipients):
                originals[event.message, number] = recipient
        elif isinstance(event, Settled):
            settled[event.message, event.delivery, event.number] = event
    has_session = False
    for event in events:
        if isinstance(event, Accepted) and event.story and not has_session:
            story = _story(event.story)
            if story is not None:
                has_session = True
                entries.append(_session(story, _began(story, events)))
        if isinstance(event, Started):
            end = settled.pop((event.message, event.delivery, event.number), None)
            entries.append(_attempt(event, end, originals))
        elif isinstance(event, Settled):
            if settled.pop((event.message, event.delivery, event.number), None) is not None:
                entries.append(_attempt(event, event, originals))
        else:
            entries += _entry(event)
    entries.sort(key=lambda entry: entry.at)
    return events, _with_session(entries, has_session=has_session)


def _story(data: bytes) -> Story | None:
    try:
        return codec.decode_story(data)
    except ValueError:  # msgspec's errors: a story of another version
        return None


def _with_session(entries: list[Entry], *, has_session: bool) -> list[Entry]:
    """Put the client of a refused session in front of its refusals."""
    if has_session:
        return entries
    for entry in entries:
        if entry.kind in {"refused", "handed", "session_end"}:
            keys = ("trace", "service", "client", "client_port", "client_name", "helo")
            row: Row = {"kind": "session", "time": entry.row["time"]}
            row.update({key: entry.row.get(key, "") for key in keys})
            if entry.kind == "session_end" and entry.row["recipients"]:
                row |= {key: entry.row[key] for key in ("sender", "recipients")}
            return [Entry(entry.at, row), *entries]
    return entries


def _began(story: Story, events: list[AnyEvent]) -> int:
    """Return when the session began, as far as its events tell."""
    moments = [story.at]
    for event in events:
        if isinstance(event, SessionEnded) and event.code == story.code and event.code:
            moments.append(event.began)
        elif isinstance(event, Refused) and event.code == story.code and event.code:
            moments.append(event.at)
    return min(moments)


def _session(story: Story, began: int) -> Entry:
    row: Row = {
        "kind": "session",
        "time": time_of(began),
        "trace": code_text(story.code, story.part),
        "service": story.service,
        "client": story.client,
        "client_port": story.client_port,
        "client_name": story.client_name,
        "helo": text_of(story.helo),
        "sender": text_of(story.sender),
        "recipients": [text_of(recipient) for recipient in story.recipients],
    }
    return Entry(began, row, story.steps)


def _attempt(
    event: Started | Settled, end: Settled | None, originals: dict[tuple[int, int], bytes]
) -> Entry:
    original = originals.get((event.message, event.number), event.address)
    row: Row = {
        "kind": "attempt",
        "time": time_of(event.at),
        "message": shown_number(event.message),
        "delivery": event.delivery,
        "recipient": text_of(original),
        "channel": event.channel,
        "address": text_of(event.address),
        "outcome": OUTCOMES.get(end.outcome, "mangled") if end else UNDER_WAY,
        "text": text_of(end.text) if end else "",
        "ended": time_of(end.at) if end else "",
        "retry_at": time_of(end.retry_at * 1_000_000_000) if end and end.retry_at else "",
    }
    steps = event.steps if isinstance(event, Started) else ()
    return Entry(event.at, row, steps, end.steps if end else (), end.at if end else 0)


def _entry(event: AnyEvent) -> list[Entry]:
    """Return the entry of an event that stands for itself; none for news of processes."""
    row: Row = {"kind": "", "time": time_of(event.at)}
    number = shown_number(getattr(event, "message", 0))
    if isinstance(event, Accepted):
        return [_accepted(event, row)]
    if isinstance(event, Refused):
        return [_refused(event, row)]
    if isinstance(event, Handed):
        return [_handed(event, row)]
    if isinstance(event, SessionEnded):
        return [_ended(event, row)]
    if isinstance(event, Bounced):
        bounce = shown_number(event.bounce)
        row |= {"kind": "bounced", "message": number, "bounce": bounce}
    elif isinstance(event, Discarded):
        row |= {"kind": "discarded", "message": number, "bounce_kind": event.kind}
    elif isinstance(event, Ended):
        row |= {"kind": "ended", "message": number}
    elif isinstance(event, Administered):
        row |= {"kind": "order", "message": number, "verb": event.verb, "uid": event.uid}
    else:
        return []
    return [Entry(event.at, row)]


def _ended(event: SessionEnded, row: Row) -> Entry:
    row |= {
        "kind": "session_end",
        "trace": code_text(event.code),
        "service": event.service,
        "client": event.client,
        "client_port": event.client_port,
        "helo": text_of(event.helo),
        "how": event.how,
        "began": time_of(event.began),
        "accepted": event.accepted,
        "refused": event.refused,
        "bytes_in": event.bytes_in,
        "sender": text_of(event.sender),
        "recipients": [text_of(recipient) for recipient in event.recipients],
        "stage": event.stage,
    }
    return Entry(event.at, row, event.steps)


def _accepted(event: Accepted, row: Row) -> Entry:
    row |= {
        "kind": "accepted",
        "message": shown_number(event.message),
        "trace": code_text(event.code, event.part),
        "sender": text_of(event.sender),
        "recipients": [text_of(recipient) for recipient in event.recipients],
        "size": event.size,
        "message_id": text_of(event.message_id),
        "uid": event.uid,
        "origin": shown_number(event.origin),
        "how": event.kind,
    }
    return Entry(event.at, row)


def _handed(event: Handed, row: Row) -> Entry:
    row |= {
        "kind": "handed",
        "trace": code_text(event.code, event.part),
        "service": event.service,
        "client": event.client,
        "client_port": event.client_port,
        "client_name": event.client_name,
        "helo": text_of(event.helo),
        "sender": text_of(event.sender),
        "recipients": [text_of(recipient) for recipient in event.recipients],
        "program": text_of(event.program),
        "exit_code": event.exit_code,
        "reply": text_of(event.reply),
    }
    return Entry(event.at, row, event.steps)


def _refused(event: Refused, row: Row) -> Entry:
    row |= {
        "kind": "refused",
        "trace": code_text(event.code, event.part),
        "service": event.service,
        "client": event.client,
        "client_port": event.client_port,
        "client_name": event.client_name,
        "helo": text_of(event.helo),
        "sender": text_of(event.sender),
        "recipient": text_of(event.recipient),
        "recipients": [text_of(recipient) for recipient in event.recipients],
        "stage": event.stage,
        "check": event.check,
        "code": event.reply_code,
        "reply": text_of(event.reply),
    }
    return Entry(event.at, row, event.steps)
