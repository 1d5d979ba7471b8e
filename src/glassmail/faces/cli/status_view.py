"""What `glass status` prints: processes, deliveries, sessions and rates, the queue, refusals."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

from glassmail.admin.live import Picture
from glassmail.explain.moments import show_clock
from glassmail.explain.queue_words import SENTENCES
from glassmail.faces.cli import queue_view
from glassmail.faces.cli.live_screen import counted, fit, short_span, width, wrapped

DELIVERIES_MAX = 8
SESSIONS_MAX = 5
DESTINATIONS_MAX = 8
REFUSALS_MAX = 8
TROUBLES_MAX = 4
_RATES = (
    ("sessions ended", ("sessions",)),
    ("messages accepted", ("accepted",)),
    ("refusals", ("refused",)),
    ("delivered here", ("local_success",)),
    ("delivered to others", ("remote_success",)),
    ("put off", ("local_deferral", "remote_deferral")),
    ("failed", ("local_failure", "remote_failure")),
    ("bounces", ("bounced",)),
)


def page(picture: Picture) -> Iterator[str]:
    """Everything below the processes."""
    queue = picture.queue
    if queue is not None:
        yield from queue_view.status_lines(picture)
        yield from deliveries(picture.deliveries or [])
    if picture.live is not None:
        yield from _rates(picture.live)
    if queue is not None:
        yield from _queue(picture, queue)
    if picture.live is not None:
        yield from _refusals(picture.live.get("refusals", []))
        yield from _troubles(picture.live.get("troubles", []))
    for problem in picture.problems:
        yield from wrapped(problem, "")


def deliveries(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Deliveries under way: channel, host, recipient and sender, message, how long."""
    now = time.time()
    for row in rows[:DELIVERIES_MAX]:
        took = short_span(now - row["began"]) if row["began"] else "-"
        left = f"  {row['channel']:<6} {fit(row['host'], 22):<22} "
        right = f" #{row['message']} {took:>6}"
        both = f"{row['recipient']} from <{row['sender']}>"
        room = width() - len(left) - len(right)
        yield f"{left}{fit(both, room):<{room}}{right}"
    if len(rows) > DELIVERIES_MAX:
        yield f"  and {len(rows) - DELIVERIES_MAX} more deliveries"


def _rates(live: dict[str, Any]) -> Iterator[str]:
    busy = live["busy"]
    if "sessions" in busy:
        yield f"sessions: {busy['sessions']:,} of {busy['sessions_most']:,} open"
    yield from _sessions(live.get("sessions", []), busy.get("sessions", 0))
    spans = live["rates"].values()
    yield f"  {'':<22}{'last minute':>14}{'last 15 minutes':>18}"
    for name, kinds in _RATES:
        sums = [sum(span[kind] for kind in kinds) for span in spans]
        yield f"  {name:<22}{sums[0]:>14,}{sums[1]:>18,}"


def _sessions(rows: list[dict[str, Any]], count: int) -> Iterator[str]:
    """Sessions that are open, the oldest first."""
    now = time.time_ns()
    for row in sorted(rows, key=lambda row: row["began"])[:SESSIONS_MAX]:
        name = row["client_name"] or row["helo"]
        who = f"{row['client']} {name}" + (f" as {row['login']}" if row["login"] else "")
        right = f" {row['accepted']:>4} taken {row['refused']:>4} refused "
        right += f"{short_span((now - row['began']) / 1e9):>7}"
        left = f"  {row['service']:<10} "
        room = width() - len(left) - len(right)
        yield f"{left}{fit(who, room):<{room}}{right}"
    if count > SESSIONS_MAX and rows:
        yield f"  and {count - SESSIONS_MAX:,} more sessions"


def _queue(picture: Picture, queue: dict[str, Any]) -> Iterator[str]:
    summary = picture.summary
    more = ""
    if summary is not None and summary.bounces:
        more += f", {summary.bounces:,} bounces"
    if summary is not None and summary.held:
        more += f", {summary.held:,} held"
    count = counted(queue["messages"], "message")
    yield f"queue: {count}, {queue['unprocessed']:,} unprocessed{more}"
    if queue["unprocessed"]:
        yield from wrapped(SENTENCES["drop"].format(count=queue["unprocessed"]))
    if queue["full"]:
        yield from wrapped(SENTENCES["full"].upper())
    if summary is not None:
        yield from queue_view.destinations(summary, DESTINATIONS_MAX)
        yield from queue_view.partial_note(picture)
    for sentence in picture.advice():
        yield from wrapped(sentence)


def _refusals(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The last refusals, newest first; a client that is told the same again and again once."""
    if rows:
        yield "last refusals"
    for (client, stage, whom, reply), several in itertools.islice(
        itertools.groupby(rows, _refusal), REFUSALS_MAX
    ):
        same = list(several)
        last = same[0]
        code = f"{last['code']} " if last["code"] else ""
        times = f" ({len(same)} times)" if len(same) > 1 else ""
        text = f"  {show_clock(last['at'])[:8]} {code}{client} {stage}{whom}{times}: {reply}"
        yield fit(text, width())


def _refusal(row: dict[str, Any]) -> tuple[str, str, str, str]:
    """What is told of a refusal besides its time and code."""
    whom = f" {row['recipient']}" if row["recipient"] else ""
    return row["client"], row["stage"], whom, row["reply"].removesuffix(f" [{row['code']}]")


def _troubles(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The last warnings and alerts of the processes, newest first."""
    if rows:
        yield "last warnings and alerts"
    for row in rows[:TROUBLES_MAX]:
        text = f"{show_clock(row['at'])[:8]} {row['severity']}: {row['text']}"
        yield from wrapped(text)
