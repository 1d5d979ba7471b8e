"""The queue as tables of 80 columns: by destination with ages, by cause."""

import time
from collections.abc import Iterator

from glassmail.admin.live import PAGE, PAGES_MAX, Picture
from glassmail.explain.queue_words import load_words, status_line
from glassmail.explain.waiting import Part, Summary
from glassmail.faces.cli.live_screen import counted, fit, short_span, width, wrapped

AGES = ("<5m", "<20m", "<2h", "<8h", "<1d", "<3d", "more")


def status_lines(picture: Picture) -> Iterator[str]:
    """The status line of qmail's log, and what it means."""
    yield status_line(picture.load)
    for sentence in load_words(picture.load):
        yield from wrapped(sentence)


def destinations(summary: Summary, most: int) -> Iterator[str]:
    """Destinations that hold the most, with ages."""
    parts = summary.biggest(most)
    if not parts:
        return
    yield f"{'destination':<27}{'waiting':>9}" + "".join(f"{age:>6}" for age in AGES)
    for part in parts:
        ages = "".join(f"{_count(age):>6}" for age in part.ages)
        yield f"{fit(part.name, 26):<27}{part.recipients:>9,}{ages}"
    left = len(summary.destinations) - len(parts)
    if left:
        yield f"  and {left:,} more destinations"


def total(messages: int, recipients: int) -> str:
    """How much waits."""
    if not messages:
        return "no messages wait"
    return f"{counted(messages, 'message')} to {counted(recipients, 'recipient')} waiting"


def causes(summary: Summary) -> Iterator[str]:
    """Why mail waits: one part for each cause, with what to do."""
    now = time.time()
    for part in summary.reasons():
        many = counted(part.recipients, "recipient")
        why = f" because {part.name}" if part.remedy else f": {part.name}"
        yield from wrapped(many + why, "")
        where = ", ".join(f"{name} {count:,}" for name, count in part.beside.most_common(4))
        more = len(part.beside) - 4
        yield from wrapped(f"to {where}" + (f" and {more:,} more" if more > 0 else ""), "    ")
        yield from wrapped(_times(part, now), "    ")
        if part.text:
            words = part.text.strip().replace("\n", " / ")
            yield fit(f"    #{part.example}: {words}", width())
        if part.remedy:
            yield from wrapped(f"what to do: {part.remedy}", "    ")


def partial_note(picture: Picture) -> Iterator[str]:
    """Say that only a part of the queue was looked at."""
    if picture.is_partial:
        yield f"  (the oldest {PAGE * PAGES_MAX:,} messages were looked at)"


def _times(part: Part, now: float) -> str:
    oldest = f"the oldest is {short_span(now - part.oldest)} old"
    if not part.next:
        return f"{oldest}; no attempt is planned"
    wait = part.next - now
    return f"{oldest}; next attempt " + (f"in {short_span(wait)}" if wait > 0 else "now")


def _count(number: int) -> str:
    if not number:
        return "."
    return str(number) if number < 100_000 else f"{number // 1_000}k"
