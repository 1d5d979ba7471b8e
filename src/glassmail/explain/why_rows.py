"""The answer of `why` as JSON objects, one a line; docs/why-json.md documents the fields."""

from collections.abc import Iterator

from glassmail.core.model.trail import Step, Trail
from glassmail.events.case import Case, Coverage, Found, shown_number
from glassmail.events.fields import Field, code_text, time_of
from glassmail.explain.question import Reading
from glassmail.explain.remedies import NONE, Advice, advise
from glassmail.explain.steps import step_row
from glassmail.explain.why_story import Entry, Row, tell, text_of
from glassmail.explain.why_verdict import (
    DELIVERED,
    DROPPED,
    FAILED,
    FORWARDED,
    HELD,
    NO_MAIL,
    REFUSED,
    REFUSED_FOR_NOW,
    UNDER_WAY,
    UNKNOWN,
    WAITING,
    Ping,
    Verdict,
    judge,
    probed,
)

# the state that stands for a message with several recipients: what needs attention first
_ORDER = (FAILED, REFUSED, HELD, WAITING, REFUSED_FOR_NOW, UNDER_WAY, UNKNOWN, DROPPED,
          FORWARDED, DELIVERED, NO_MAIL)  # fmt: skip


def story_rows(case: Case, ping: Ping | None = None) -> Iterator[Row]:
    """Yield the story of one case: what happened with its steps, then the verdicts."""
    events, entries = tell(case)
    for entry in entries:
        yield entry.row
        yield from (_step(step) for step in (*entry.steps, *entry.more_steps))
    for verdict in probed(judge(case, events), ping):
        yield verdict_row(verdict)
    if case.left_out:
        yield {"kind": "left_out", "events": case.left_out}


def candidate_rows(found: Found, cases: list[Case], recipient: str = "") -> Iterator[Row]:
    """Yield one object per case, newest first, and a last one with the count."""
    for case in cases:
        yield candidate(case, recipient)
    yield {"kind": "found", "count": found.count, "is_more": found.is_more, "shown": len(cases)}


def nothing_row(coverage: Coverage, asked: str = "") -> Row:
    """Say that nothing was found, which time was searched, and what to look at."""
    advice = no_connection_seen(asked)
    return {
        "kind": "nothing",
        "first": time_of(coverage.first) if coverage.first else "",
        "last": time_of(coverage.last) if coverage.last else "",
        "gaps": [{"from": time_of(start), "until": time_of(end)} for start, end in coverage.gaps],
        "losses": [{"time": time_of(at), "text": text} for at, text in coverage.losses],
        "fault": advice.id,
        "remedy": advice.sentence,
        "command": advice.command,
    }


def reading_row(reading: Reading) -> Row:
    """Say how a pasted text was read."""
    query = reading.query
    return {
        "kind": "reading",
        "read_as": reading.words,
        "text": query.text,
        "number": query.number,
        "trace": code_text(query.number, query.part) if "code" in query.kinds else "",
    }


def advice_row(advice: Advice) -> Row:
    """Say what a pasted error text means."""
    return {
        "kind": "meaning",
        "fault": advice.id,
        "text": advice.fault,
        "remedy": advice.sentence,
        "command": advice.command,
    }


def no_connection_seen(asked: str) -> Advice:
    """What to do about an address that the history knows nothing of; NONE for other questions."""
    return advise("no_connection_seen", address=asked) if "@" in asked else NONE


def candidate(case: Case, recipient: str = "") -> Row:
    """Describe one of many cases.

    Args:
        case: what was found.
        recipient: an address, or a domain with its `@`, that was asked about: when the case has
            it, it comes first, and the state is its own.
    """
    events, entries = tell(case)
    verdicts = judge(case, events)
    own = [v for v in verdicts if v.message == case.message] or verdicts
    asked = [v for v in own if _is_asked(text_of(v.recipient), recipient)]
    states = {verdict.state for verdict in asked or own}
    head = _head(entries, case)
    refused: list[Field] = [text_of(verdict.recipient) for verdict in own if verdict.recipient]
    accepted = head.get("recipients")
    if isinstance(accepted, list):
        accepted = sorted(accepted, key=lambda name: not _is_asked(str(name), recipient))
    return {
        "kind": "candidate",
        "time": head.get("time", ""),
        "trace": head.get("trace", ""),
        "message": shown_number(case.message),
        "client": next((entry.row.get("client", "") for entry in entries), ""),
        "sender": head.get("sender", ""),
        "recipients": accepted if isinstance(accepted, list) and accepted else refused,
        "state": next((state for state in _ORDER if state in states), NO_MAIL),
    }


def _is_asked(address: str, recipient: str) -> bool:
    wanted = recipient.lower()
    if wanted.startswith("@"):
        return address.lower().endswith(wanted)
    return bool(wanted) and address.lower() == wanted


def verdict_row(verdict: Verdict) -> Row:
    """Make the JSON object of a verdict."""
    decided: Field = None
    if verdict.decided is not None:
        decided = {**step_row(verdict.decided)}
    return {
        "kind": "verdict",
        "time": time_of(verdict.at),
        "message": shown_number(verdict.message),
        "recipient": text_of(verdict.recipient),
        "state": verdict.state,
        "text": text_of(verdict.text),
        "decided_by": decided,
        "set_in": verdict.place,
        "turn": verdict.turn,
        "fault": verdict.advice.id,
        "fault_text": verdict.advice.fault,
        "remedy": verdict.advice.sentence,
        "command": verdict.advice.command,
        "next_at": time_of(verdict.next_at * 1_000_000_000) if verdict.next_at else "",
    }


def allowing(steps: Trail) -> list[Step]:
    """Return the steps that let the recipients in: relaying rights or rcpthosts."""
    ids = {"session.relayclient", "routing.rcpthosts"}
    return [step for step in steps if step.question in ids and step.answer != "no"]


def _step(step: Step) -> Row:
    return {"kind": "step", **step_row(step)}


def _head(entries: list[Entry], case: Case) -> Row:
    """Return the entry that names sender and recipients."""
    for kind in ("accepted", "refused", "session"):
        for entry in entries:
            number = shown_number(case.message)
            if entry.kind == kind and entry.row.get("message", number) == number:
                return entry.row
    return entries[0].row if entries else {}
