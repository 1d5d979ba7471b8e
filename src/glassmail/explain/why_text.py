"""The answer of `why` for people: one timeline, then how it stands; 80 columns."""

import textwrap
from collections.abc import Iterator
from datetime import tzinfo
from typing import NamedTuple

from glassmail.core.model.questions import sentence
from glassmail.core.model.trail import Trail
from glassmail.events.case import Case, Coverage, Found, shown_number
from glassmail.events.fields import code_text
from glassmail.explain.moments import show_clock, show_moment, show_span
from glassmail.explain.question import Question, Reading, names
from glassmail.explain.remedies import Advice
from glassmail.explain.steps import WIDTH, printable, step_text
from glassmail.explain.why_rows import allowing, candidate
from glassmail.explain.why_story import UNDER_WAY, Entry, tell
from glassmail.explain.why_verdict import (
    DELIVERED,
    FORWARDED,
    HELD,
    WAITING,
    Ping,
    Verdict,
    judge,
    probed,
)
from glassmail.explain.why_verdict import UNDER_WAY as RUNS

RECIPIENTS_MAX = 20  # told in full; --json tells all
ATTEMPTS_TOLD = 3  # of a recipient: the first and the newest two
_INDENT = 4
_GOOD = {DELIVERED, FORWARDED}
_OPEN = {WAITING, HELD, RUNS}


class Line(NamedTuple):
    """A line and how it looks on a terminal: head, good, bad, open, faint, or plain."""

    text: str
    look: str = ""


class Writer:
    """Writes the lines of answers.

    Args:
        now: nanoseconds since 1970.
        width: columns.
        zone: of the times; None for the machine's.
    """

    def __init__(self, now: int, width: int = WIDTH, zone: tzinfo | None = None) -> None:
        self._now = now
        self._width = max(60, width)
        self._zone = zone
        self._told: dict[tuple[object, object], tuple[Trail, Trail]] = {}

    def story(self, case: Case, ping: Ping | None = None) -> Iterator[Line]:
        """Tell one case; with `ping`, hosts that did not answer are asked whether they are up."""
        events, entries = tell(case)
        verdicts = probed(judge(case, events), ping)
        yield from self._title(case, entries)
        day = ""
        kept, hidden = _shorten(entries)
        allowed = [step for entry in entries for step in allowing(entry.steps)]
        for entry in kept:
            today = show_moment(entry.at, self._zone)[:10]
            if today != day:
                day = today
                yield Line("")
                yield Line(day, "faint")
            yield from self._entry(entry)
            if entry.kind == "accepted" and _is_of(entry, case):
                for step in dict.fromkeys(allowed):
                    yield from self._wrapped(f"allowed by {step.source}", _INDENT)
        if hidden:
            yield Line("")
            yield Line(f"... and {hidden} more delivery attempts: --json tells them all", "faint")
        yield Line("")
        for verdict in _worth_telling(verdicts):
            yield from self._verdict(verdict)
        if len(verdicts) > RECIPIENTS_MAX:
            yield from self._rest(verdicts)

    def candidates(self, found: Found, cases: list[Case], asked: str) -> Iterator[Line]:
        """List several cases, newest first."""
        count = f"{found.count} or more" if found.is_more else str(found.count)
        shown = f", the newest {len(cases)}" if found.count > len(cases) else ", newest first"
        yield Line(f"{count} matches for {printable(asked)}{shown}; ask about one of them:")
        yield Line("")
        room = self._width - 16 - 2 - 14 - 2 - 2 - 2 - 15
        columns = (16, 14, room // 2, room - room // 2, 15)
        yield Line(_columns(("when", "ask for", "from", "to", "state"), columns), "faint")
        for case in cases:
            row = candidate(case)
            recipients = row["recipients"]
            names = [str(name) for name in recipients] if isinstance(recipients, list) else []
            more = f" +{len(names) - 1}" if len(names) > 1 else ""
            to = _cut(printable(names[0] if names else ""), columns[3] - len(more)) + more
            sender = printable(str(row["sender"])) or ("<>" if names else "")
            name = str(row["trace"]) or f"#{shown_number(case.message)}"
            when = show_moment(_at_of(case), self._zone)[:16]
            state = str(row["state"])
            yield Line(_columns((when, name, sender, to, state), columns), _look(state))

    def reading(self, question: Question, reading: Reading | None) -> Iterator[Line]:
        """Say how a pasted text was read."""
        if reading is not None:
            told = reading.query.text or code_text(reading.query.number, reading.query.part)
            if "code" not in reading.query.kinds and reading.query.number:
                told = f"#{reading.query.number}"
            yield Line(_cut(f"read as {reading.words}: {printable(told)}", self._width), "faint")
        elif question.readings:
            yield from self._wrapped(f"looked for: {names(question.readings)}", 0)

    def meaning(self, advice: Advice) -> Iterator[Line]:
        """Say what a known error text means."""
        if advice.id:
            yield Line("what such a text means:", "head")
            yield from self.advice(advice)

    def nothing(self, question: Question, coverage: Coverage) -> Iterator[Line]:
        """Say that nothing is known, and which time that holds for."""
        asked = question.asked
        yield Line(_cut(f"nothing is known about {printable(asked)}", self._width))
        if not coverage.first:
            yield Line("the history is empty")
            return
        first, last = (show_moment(at, self._zone) for at in (coverage.first, coverage.last))
        yield Line(f"the history covers {first} to {last}")
        yield from self.gaps(coverage)

    def gaps(self, coverage: Coverage) -> Iterator[Line]:
        """Name the times that the history cannot speak for."""
        for start, end in coverage.gaps[-5:]:
            until = f"{show_moment(start, self._zone)} to {show_moment(end, self._zone)}"
            yield from self._wrapped(f"no log ran from {until}: refusals then are not recorded", 0)
        for at, text in coverage.losses[-5:]:
            yield from self._wrapped(f"{show_moment(at, self._zone)}: {printable(text)}", 0)

    # --- parts of a story ---

    def _title(self, case: Case, entries: list[Entry]) -> Iterator[Line]:
        accepted = [e for e in entries if e.kind == "accepted" and _is_of(e, case)]
        if not accepted:
            trace = next((str(e.row["trace"]) for e in entries if e.row.get("trace")), "")
            number = shown_number(case.message)
            what = f"message #{number}" if number else "a session without a message"
            yield Line(f"{what}  {trace}".rstrip(), "head")
            return
        row = accepted[0].row
        names = row["recipients"] if isinstance(row["recipients"], list) else []
        shown = ", ".join(printable(str(name)) for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        yield Line(f"message #{row['message']}  {row['trace']}".rstrip(), "head")
        yield from self._wrapped(f"from <{printable(str(row['sender']))}> to {shown}{more}", 0)
        if row["message_id"]:
            yield Line(_cut(f"Message-ID {printable(str(row['message_id']))}", self._width))

    def _entry(self, entry: Entry) -> Iterator[Line]:
        if entry.kind == "attempt":
            yield from self._attempt(entry)
            return
        row = {key: printable(str(value)) for key, value in entry.row.items()}
        text = _SENTENCES[entry.kind].format_map(row)
        if entry.kind == "session" and row["client_name"]:
            text = text.replace(row["client"], f"{row['client']} ({row['client_name']})", 1)
        if entry.kind == "accepted" and row["origin"] != "0":
            text += f", a {row['how']} of #{row['origin']}"
        look = {"refused": "bad", "discarded": "bad", "bounced": "bad"}.get(entry.kind, "head")
        yield from self._timed(entry.at, text, look)
        if entry.kind == "refused":
            others = entry.row["recipients"]
            listed = [printable(str(name)) for name in others] if isinstance(others, list) else []
            names = [row["recipient"]] if row["recipient"] else listed
            to = f" to {', '.join(f'<{name}>' for name in names)}" if names else ""
            if row["sender"] or to:
                yield from self._wrapped(f"from <{row['sender']}>{to}", _INDENT)
        yield from self._steps(entry.steps)

    def _attempt(self, entry: Entry) -> Iterator[Line]:
        row = entry.row
        address, recipient = printable(str(row["address"])), printable(str(row["recipient"]))
        goes = f" (for {recipient})" if address != recipient else ""
        head = f"delivery {row['delivery']}, {row['channel']}: {address}{goes}"
        yield from self._timed(entry.at, head, "head")
        key, steps = (row["message"], row["recipient"]), (entry.steps, entry.more_steps)
        is_repeated = self._told.get(key) == steps and steps != ((), ())
        self._told[key] = steps
        if not is_repeated:
            yield from self._steps(entry.steps)
        outcome = str(row["outcome"])
        if outcome == UNDER_WAY:
            yield Line(" " * _INDENT + "still under way", "open")
            return
        said = _one_line(str(row["text"]))
        took = show_span(entry.ended - entry.at)
        look = {"delivered": "good", "failed": "bad"}.get(outcome, "open")
        yield from self._timed(entry.ended, f"{outcome} after {took}: {said}".rstrip(": "), look)
        if is_repeated:
            yield Line(" " * _INDENT + "the same questions and answers as before", "faint")
        else:
            yield from self._steps(entry.more_steps)

    def _verdict(self, verdict: Verdict) -> Iterator[Line]:
        name = printable(verdict.recipient.decode("utf-8", "backslashreplace"))
        number = f" (message #{shown_number(verdict.message)})" if verdict.message else ""
        yield Line(f"{name or 'the session'}: {verdict.state}{number}", _look(verdict.state))
        if verdict.decided is not None:
            step = verdict.decided
            asked = printable(sentence(step.question, step.subject))
            yield from self._field("decided by", f"{asked} {printable(step.answer)}")
            where = "where" if verdict.state == DELIVERED else "set in"
            yield from self._field(where, printable(step.source))
        if verdict.text and verdict.state not in _GOOD:
            yield from self._field("words", _one_line(verdict.text.decode("utf-8", "replace")))
        yield from self.advice(verdict.advice)
        yield from self._field("turn", printable(verdict.turn))
        if verdict.next_at:
            at = verdict.next_at * 1_000_000_000
            away = f"in {show_span(at - self._now)}" if at > self._now else "due now"
            yield from self._field("next try", f"{show_moment(at, self._zone)} ({away})")

    def advice(self, advice: Advice) -> Iterator[Line]:
        """Say what is wrong and what to do."""
        if advice.id:
            yield from self._field("fault", printable(advice.fault))
            yield from self._field("remedy", printable(advice.sentence))

    def _rest(self, verdicts: list[Verdict]) -> Iterator[Line]:
        counts: dict[str, int] = {}
        for verdict in verdicts:
            counts[verdict.state] = counts.get(verdict.state, 0) + 1
        told = ", ".join(f"{count} {state}" for state, count in counts.items())
        yield Line(f"{len(verdicts)} recipients in all: {told}", "faint")

    def _steps(self, steps: Trail) -> Iterator[Line]:
        for text in step_text(dict.fromkeys(steps), _INDENT, self._width):
            yield Line(text)

    def _timed(self, at: int, text: str, look: str) -> Iterator[Line]:
        clock = show_clock(at, self._zone)
        for number, part in enumerate(textwrap.wrap(text, self._width - 14) or [""]):
            yield Line((clock if number == 0 else " " * 12) + "  " + part, look)

    def _field(self, name: str, text: str) -> Iterator[Line]:
        for number, part in enumerate(textwrap.wrap(text, self._width - 15) or [""]):
            yield Line(f"  {name if number == 0 else '':<11}  {part}".rstrip())

    def _wrapped(self, text: str, indent: int) -> Iterator[Line]:
        for part in textwrap.wrap(text, self._width - indent, subsequent_indent="  "):
            yield Line(" " * indent + part)


_SENTENCES = {
    "session": "{service} session from {client} port {client_port}, helo {helo}",
    "accepted": "accepted as message #{message} from <{sender}>, {size} bytes, by uid {uid}",
    "refused": "refused at {stage}: {reply}",
    "handed": "handed to {program}, exit code {exit_code}: {reply}",
    "session_end": "session ended ({how}): {accepted} accepted, {refused} refused",
    "bounced": "bounce for message #{message} queued as #{bounce}",
    "discarded": "the {bounce_kind} bounce of message #{message} was thrown away",
    "ended": "message #{message} left the queue",
    "order": "order of uid {uid} for message #{message}: {verb}",
}


def _shorten(entries: list[Entry]) -> tuple[list[Entry], int]:
    """Leave out attempts that repeat others; return what stays and how many went."""
    groups: dict[tuple[object, object], list[Entry]] = {}
    for entry in entries:
        if entry.kind == "attempt":
            key = (entry.row["message"], entry.row["recipient"])
            groups.setdefault(key, []).append(entry)
    ranked = sorted(groups.values(), key=lambda group: group[-1].row["outcome"] == "delivered")
    told: set[int] = set()
    for group in ranked[:RECIPIENTS_MAX]:
        told.update(id(entry) for entry in (group[0], *group[1:][1 - ATTEMPTS_TOLD :]))
    kept = [entry for entry in entries if entry.kind != "attempt" or id(entry) in told]
    return kept, len(entries) - len(kept)


def _worth_telling(verdicts: list[Verdict]) -> list[Verdict]:
    if len(verdicts) <= RECIPIENTS_MAX:
        return verdicts
    return sorted(verdicts, key=lambda verdict: verdict.state in _GOOD)[:RECIPIENTS_MAX]


def _look(state: str) -> str:
    if state in _GOOD:
        return "good"
    return "open" if state in _OPEN else "bad"


def _one_line(text: str) -> str:
    return printable(" / ".join(line for line in text.split("\n") if line.strip()))


def _is_of(entry: Entry, case: Case) -> bool:
    return entry.row["message"] == shown_number(case.message)


def _at_of(case: Case) -> int:
    _events, entries = tell(case)
    heads = [e.at for e in entries if e.kind == "accepted" and _is_of(e, case)]
    return heads[0] if heads else entries[0].at if entries else 0


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(1, room - 1)] + "\N{HORIZONTAL ELLIPSIS}"


def _columns(values: tuple[str, ...], widths: tuple[int, ...]) -> str:
    cells = [_cut(v, w).ljust(w) for v, w in zip(values, widths, strict=True)]
    return "  ".join(cells).rstrip()
