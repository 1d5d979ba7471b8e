"""The answer of `why` for people: one timeline, then how it stands; 80 columns."""

from collections import Counter
from collections.abc import Iterator
from datetime import tzinfo
from typing import NamedTuple

from glassmail.core.model.questions import sentence
from glassmail.core.model.trail import NO, Step, Trail
from glassmail.events.case import Case, Coverage, Found, shown_number
from glassmail.events.fields import code_text
from glassmail.explain.moments import show_clock, show_moment, show_span
from glassmail.explain.question import Question, Reading, names
from glassmail.explain.remedies import Advice
from glassmail.explain.steps import WIDTH, printable, step_text
from glassmail.explain.why_columns import (
    columns,
    cut,
    cut_name,
    one_line,
    plain,
    spelled_out,
    widths,
    wrap,
)
from glassmail.explain.why_rows import allowing, candidate
from glassmail.explain.why_story import UNDER_WAY, Entry, Row, tell
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
WORDS_TOLD = 640  # of a report at the end; the timeline has all of it
ATTEMPTS_TOLD = 3  # of a recipient: the first and the newest two
_INDENT = 4
_GAP = "no log ran, or it was killed, from"
_AS_BEFORE = "the same answers as before"
_LOST = "this server's refusals then are not recorded, its messages are"
_GOOD = {DELIVERED, FORWARDED}
_OPEN = {WAITING, HELD, RUNS}
_FILED = {"delivery.maildir", "delivery.mbox"}  # their sources are files


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
        self._asked: set[Step] = set()  # steps that are on the screen

    def story(self, case: Case, ping: Ping | None = None) -> Iterator[Line]:
        """Tell one case; with `ping`, hosts that did not answer are asked whether they are up."""
        events, entries = tell(case)
        verdicts = probed(judge(case, events), ping)
        yield from self._title(case, entries)
        day = ""
        kept, hidden = _shorten(entries)
        allowed = [step for entry in entries for step in allowing(entry.steps)]
        for entry in _in_order(kept):
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
        counts = Counter(map(_alike, verdicts))
        distinct = list({_alike(verdict): verdict for verdict in verdicts}.values())
        for verdict in _worth_telling(distinct):
            yield from self._verdict(verdict, counts[_alike(verdict)])
        if len(distinct) > RECIPIENTS_MAX:
            yield from self._rest(distinct)

    def candidates(
        self, found: Found, cases: list[Case], asked: str, recipient: str = ""
    ) -> Iterator[Line]:
        """List several cases, newest first; `recipient` as `candidate` takes it."""
        count = f"{found.count} or more" if found.is_more else str(found.count)
        shown = f", the newest {len(cases)}" if found.count > len(cases) else ", newest first"
        yield Line(f"{count} matches for {printable(asked)}{shown}; ask about one of them:")
        yield Line("")
        rows = [self._candidate(case, recipient) for case in cases]
        sizes = widths(rows, self._width)
        yield Line(columns(("when", "ask for", "from", "to", "state"), sizes), "faint")
        for when, name, sender, to, state in rows:
            row = (when, name, sender, cut_name(to, sizes[3]), state)
            yield Line(columns(row, sizes), _look(state))

    def _candidate(self, case: Case, recipient: str) -> tuple[str, str, str, str, str]:
        row = candidate(case, recipient)
        recipients = row["recipients"]
        names = [str(name) for name in recipients] if isinstance(recipients, list) else []
        more = f" +{len(names) - 1}" if len(names) > 1 else ""
        sender = printable(str(row["sender"])) or ("<>" if names else f"({row['client']})")
        name = str(row["trace"]) or f"#{shown_number(case.message)}"
        when = show_moment(_at_of(case), self._zone)[:16]
        return when, name, sender, printable(names[0] if names else "") + more, str(row["state"])

    def reading(self, question: Question, reading: Reading | None) -> Iterator[Line]:
        """Say how a pasted text was read."""
        if reading is not None:
            told = printable(shown_reading(reading))
            yield Line(cut(f"read as {reading.words}: {told}", self._width), "faint")
        elif question.readings:
            yield from self._wrapped(f"looked for: {names(question.readings)}", 0)

    def meaning(self, advice: Advice) -> Iterator[Line]:
        """Say what a known error text means."""
        if advice.id:
            yield Line("what such a text means:", "head")
            yield from self.advice(advice)

    def nothing(
        self, question: Question, coverage: Coverage, span: tuple[int, int] = (0, 0)
    ) -> Iterator[Line]:
        """Say that nothing is known, and which time that holds for; `span` is what was asked."""
        since, until = (show_moment(at, self._zone) if at else "" for at in span)
        when = " ".join(f"{w} {at}" for w, at in (("from", since), ("to", until)) if at)
        room = self._width - len(when) - 1 if when else self._width
        asked = cut(f"nothing is known about {printable(question.asked)}", room)
        yield Line(f"{asked} {when}".rstrip())
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
            yield from self._wrapped(f"{_GAP} {until}: {_LOST}", 0)
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
            yield Line(cut(f"Message-ID {printable(str(row['message_id']))}", self._width))

    def _entry(self, entry: Entry) -> Iterator[Line]:
        if entry.kind in {"attempt", "attempt_end"}:
            yield from self._attempt(entry)
            return
        row = {key: printable(str(value)) for key, value in entry.row.items()}
        is_silent = entry.kind == "refused" and not row["reply"]
        text = _SENTENCES["unsaid" if is_silent else entry.kind].format_map(row)
        if entry.kind == "session" and not row["helo"]:
            text = text.removesuffix(", helo ")
        if entry.kind == "session" and row["client_name"]:
            text = text.replace(row["client"], f"{row['client']} ({row['client_name']})", 1)
        if entry.kind == "accepted" and row["origin"] != "0":
            text += f", a {row['how']} of #{row['origin']}"
        elif entry.kind == "accepted" and row["how"] == "user":
            text += f", handed in by uid {row['uid']}"
        look = {"refused": "bad", "discarded": "bad", "bounced": "bad"}.get(entry.kind, "head")
        yield from self._timed(entry.at, text, look)
        if entry.kind in {"refused", "session_end"}:
            others = entry.row["recipients"]
            listed = [printable(str(name)) for name in others] if isinstance(others, list) else []
            names = [row["recipient"]] if row.get("recipient") else listed
            to = f" to {', '.join(f'<{name}>' for name in names)}" if names else ""
            begun = _STAGES.get(row["stage"], "") if entry.kind == "session_end" else ""
            if row["sender"] or to:
                yield from self._wrapped(f"from <{row['sender']}>{to}{begun}", _INDENT)
        if entry.kind in {"refused", "session_end"}:
            yield from self._new_steps(entry.steps)
            return
        self._asked.update(entry.steps)
        yield from self._steps(entry.steps)

    def _attempt(self, entry: Entry) -> Iterator[Line]:
        row = entry.row
        outcome = str(row["outcome"])
        if entry.kind == "attempt":
            address, recipient = printable(str(row["address"])), printable(str(row["recipient"]))
            goes = f" (for {recipient})" if address != recipient else ""
            head = f"delivery {row['delivery']}, {row['channel']}: {address}{goes}"
            yield from self._timed(entry.at, head, "head")
            yield from self._new_steps(entry.steps, "" if entry.more_steps else _AS_BEFORE)
            if outcome == UNDER_WAY:
                yield Line(" " * _INDENT + "still under way", "open")
        if not entry.ended or outcome == UNDER_WAY:
            return
        # What happened meanwhile stands between: then the number says whose end it is.
        name = f"delivery {row['delivery']} " if entry.kind == "attempt_end" else ""
        said = spelled_out(one_line(str(row["text"])))
        took = show_span(entry.ended - int(str(row.get("began_ns", entry.at))))
        look = {"delivered": "good", "failed": "bad"}.get(outcome, "open")
        told = f"{name}{outcome} after {took}: {said}".rstrip(": ")
        yield from self._timed(entry.ended, told, look)
        yield from self._new_steps(entry.more_steps, _AS_BEFORE)

    def _new_steps(self, steps: Trail, repeated: str = "") -> Iterator[Line]:
        """Tell the steps of a delivery but for those that were told before, word for word.

        Args:
            steps: what was asked.
            repeated: what to say when all of it was told before.
        """
        fresh = tuple(step for step in steps if step not in self._asked)
        self._asked.update(fresh)
        yield from self._steps(fresh)
        count = len(steps) - len(fresh)
        if fresh and count:
            repeated = "one answer as before" if count == 1 else f"{count} answers as before"
        if count and repeated:
            yield Line(" " * _INDENT + f"({repeated})", "faint")

    def _verdict(self, verdict: Verdict, count: int = 1) -> Iterator[Line]:
        name = printable(verdict.recipient.decode("utf-8", "backslashreplace"))
        number = f" (message #{shown_number(verdict.message)})" if verdict.message else ""
        number = f" ({count} times)" if count > 1 else number
        yield Line(f"{name or 'the session'}: {verdict.state}{number}", _look(verdict.state))
        if verdict.decided is not None:
            step = verdict.decided
            asked = printable(sentence(step.question, step.subject))
            yield from self._field("decided by", f"{asked} {printable(step.answer)}")
            if verdict.place:
                is_file = step.question in _FILED and step.answer != NO
                where = "where" if is_file else "set in"
                yield from self._field(where, printable(verdict.place))
            elif verdict.state == DELIVERED or step.source not in printable(plain(verdict.text)):
                yield from self._field("answer", printable(step.source))
        if verdict.text and verdict.state not in _GOOD:
            words = one_line(verdict.text.decode("utf-8", "backslashreplace"))
            yield from self._field("words", cut(words, WORDS_TOLD))
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
        for number, part in enumerate(wrap(text, self._width - 14) or [""]):
            yield Line((clock if number == 0 else " " * 12) + "  " + part, look)

    def _field(self, name: str, text: str) -> Iterator[Line]:
        for number, part in enumerate(wrap(text, self._width - 15) or [""]):
            yield Line(f"  {name if number == 0 else '':<11}  {part}".rstrip())

    def _wrapped(self, text: str, indent: int) -> Iterator[Line]:
        for part in wrap(text, self._width - indent, subsequent_indent="  "):
            yield Line(" " * indent + part)


def shown_reading(reading: Reading) -> str:
    """What a pasted text was taken for, in short."""
    query = reading.query
    if query.number:
        is_code = "code" in query.kinds
        return code_text(query.number, query.part) if is_code else f"#{query.number}"
    is_pair = reading.words.startswith("sender and recipient")
    return f"{query.sender} to {query.text}" if is_pair else query.text


_STAGES = {
    "rcpt": ": it was announced, and never sent",
    "data": ": it broke off before its end",
}
_SENTENCES = {
    "session": "{service} session from {client} port {client_port}, helo {helo}",
    "accepted": "accepted as message #{message} from <{sender}>, {size} bytes",
    "refused": "refused at {stage}: {reply}",
    "unsaid": "ended at {stage} by us, without a reply",
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


def _in_order(entries: list[Entry]) -> list[Entry]:
    """Part attempts during which something else happened, so that times only grow."""
    told = sorted(entries, key=lambda entry: entry.at)
    parted: list[Entry] = []
    for place, entry in enumerate(told):
        is_crossed = place + 1 < len(told) and told[place + 1].at < entry.ended
        if entry.kind == "attempt" and is_crossed:
            end: Row = {**entry.row, "kind": "attempt_end", "began_ns": entry.at}
            parted.append(entry._replace(more_steps=(), ended=0))
            parted.append(Entry(entry.ended, end, (), entry.more_steps, entry.ended))
        else:
            parted.append(entry)
    return sorted(parted, key=lambda entry: entry.at)


def _alike(verdict: Verdict) -> tuple[object, ...]:
    """Refusals of one kind in a session are told once, with their number."""
    if verdict.message or not verdict.decided:
        return (id(verdict),)
    return (verdict.recipient, verdict.state, verdict.text, verdict.decided.question)


def _worth_telling(verdicts: list[Verdict]) -> list[Verdict]:
    if len(verdicts) <= RECIPIENTS_MAX:
        return verdicts
    return sorted(verdicts, key=lambda verdict: verdict.state in _GOOD)[:RECIPIENTS_MAX]


def _look(state: str) -> str:
    if state in _GOOD:
        return "good"
    return "open" if state in _OPEN else "bad"


def _is_of(entry: Entry, case: Case) -> bool:
    return entry.row["message"] == shown_number(case.message)


def _at_of(case: Case) -> int:
    _events, entries = tell(case)
    heads = [e.at for e in entries if e.kind == "accepted" and _is_of(e, case)]
    return heads[0] if heads else entries[0].at if entries else 0
