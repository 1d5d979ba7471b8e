"""`glass queue`: what waits, why, and what to do with it."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import click

from glassmail.admin import live, queue_check, queue_reading
from glassmail.admin.queue_check import Check, CheckError, Finding
from glassmail.admin.requests import RequestError, ask
from glassmail.explain.queue_words import status_line
from glassmail.faces.cli import live_screen, queue_view, status_view
from glassmail.faces.cli.json_line import json_line
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root

DIGITS_MAX = 18


class _Number(click.ParamType[int]):
    """A message's number, as the list shows it (#26) or bare."""

    name = "number"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        digits = value.removeprefix("#")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > DIGITS_MAX:
            self.fail(f"{value!r} is not the number of a message (26, or '#26')", param, ctx)
        return int(digits)


_root = root_option
_json = click.option("--json", "as_json", is_flag=True, help="one JSON object a line")


@click.group()
def queue() -> None:
    """Look at the queue and change it."""


@queue.command("list")
@_root
@_json
@click.option("--from", "sender", metavar="TEXT", help="only senders that hold TEXT")
@click.option("--to", "recipient", metavar="TEXT", help="only recipients that hold TEXT")
@click.option("--state", type=click.Choice(["waiting", "held", "bouncing"]),
              help="Only messages that wait, are held back, or have a failed recipient.")
@click.option("--by", type=click.Choice(["cause", "destination"]),
              help="Sum up everything that waits instead: why, or where to.")
def list_(
    root: str | None, sender: str | None, recipient: str | None, state: str | None,
    by: str | None, *, as_json: bool,
) -> None:
    """List the messages that wait, oldest number first; or sum them up with --by."""
    place = Place(find_root(root))
    if by is not None:
        if sender or recipient or state:
            raise click.UsageError("--by sums up everything: it takes no other filter")
        _sum_up(place, by, as_json=as_json)
        return
    count = size = 0
    for row in _rows(place, lambda: queue_reading.messages(place)):
        if not _matches(row, sender, recipient, state):
            continue
        count += 1
        size += row["size"]
        click.echo(json_line(row) if as_json else _describe(row))
    if not as_json:
        click.echo(f"{count} message{'s' * (count != 1)}, {_bytes(size)}" if count else
                   "no messages wait")  # fmt: skip
        for line in _stopped(place):
            click.echo(line)


def _stopped(place: Place) -> Iterator[str]:
    """Tell that what was listed lies still."""
    if not queue_reading.is_stopped(place):
        return
    yield "no server runs here: nothing is being tried (glass serve)"
    count = next(queue_reading.tell(place, "stats"))["unprocessed"]
    if count:
        handed_in = live_screen.counted(count, "message")
        yield f"{handed_in} handed in meanwhile: the next server takes them in"


def _sum_up(place: Place, by: str, *, as_json: bool) -> None:
    try:
        summary, _is_partial = live.waiting(place, sys.maxsize)
    except RequestError as error:
        click.echo(f"glass queue: {error}", err=True)
        sys.exit(error.exit_code)
    parts = summary.reasons() if by == "cause" else summary.biggest(sys.maxsize)
    if as_json:
        for part in parts:
            click.echo(json_line(part.row()))
        return
    lines = (queue_view.causes(summary) if by == "cause"
             else queue_view.destinations(summary, sys.maxsize))  # fmt: skip
    for line in lines:
        click.echo(line)
    click.echo(queue_view.total(summary.messages, summary.recipients))
    for line in _stopped(place):
        click.echo(line)


@queue.command("top")
@_root
@click.option("-n", "--count", type=click.IntRange(1, 1_000), default=15, show_default=True,
              help="How many destinations.")
@click.option("--every", type=click.FloatRange(0.5, 3_600), default=2.0, show_default=True,
              help="Seconds between two pictures.")
@click.option("--once", is_flag=True, help="One picture; so it is where no terminal is.")
@_json
def top(root: str | None, count: int, every: float, *, once: bool, as_json: bool) -> None:
    """Watch the queue: biggest destinations by age, deliveries under way, what to do.

    Exit status: 0 shown, 3 the queue does not answer.
    """
    place = Place(find_root(root))
    if as_json:
        click.echo(json_line(_top_row(place, count)))
        return
    is_live = not once and sys.stdout.isatty()
    live_screen.show(lambda: _top(place, count), every if is_live else 0)


def _top_row(place: Place, count: int) -> dict[str, Any]:
    picture = live.look(place, refusals=0)
    if picture.queue is None or picture.summary is None:
        for problem in picture.problems:
            click.echo(f"glass queue: {problem}", err=True)
        sys.exit(3)
    return {
        "queue": picture.queue,
        "status": status_line(picture.load),
        "deliveries": picture.deliveries,
        "destinations": [part.row() for part in picture.summary.biggest(count)],
        "partial": picture.is_partial,
        "advice": picture.advice(),
    }


def _top(place: Place, count: int) -> Iterator[str]:
    picture = live.look(place, refusals=0)
    for problem in picture.problems:
        yield f"glass queue: {problem}"
    if picture.queue is None or picture.summary is None:
        return
    yield queue_view.total(picture.queue["messages"], picture.summary.recipients)
    yield from queue_view.status_lines(picture)
    yield from status_view.deliveries(picture.deliveries or [])
    yield from queue_view.destinations(picture.summary, count)
    yield from queue_view.partial_note(picture)
    for sentence in picture.advice():
        yield from live_screen.wrapped(sentence, "")


@queue.command()
@_root
@_json
@click.argument("message", type=_Number())
def show(root: str | None, message: int, *, as_json: bool) -> None:
    """Show one message: its recipients, what happened, its header."""
    place = Place(find_root(root))
    for row in _rows(place, lambda: queue_reading.tell(place, "show", message=message)):
        if as_json:
            click.echo(json_line(row))
        else:
            click.echo(_describe(row))
            for line in _stopped(place):
                click.echo(line)
            click.echo()
            click.echo(_printable(row["header"]), nl=False)


def _verb(name: str, about: str) -> None:
    @queue.command(name, help=about)
    @_root
    @click.argument("messages", type=_Number(), nargs=-1, required=True)
    def change(root: str | None, messages: tuple[int, ...]) -> None:
        place = Place(find_root(root))
        for message in messages:
            for row in _rows(place, lambda m=message: ask(place.queue_socket, name, message=m)):  # type: ignore[misc]
                click.echo(f"message {row['message']}: {_DONE[row['done']]}")


_DONE = {
    "hold": "held; glass queue release lets it go",
    "release": "released",
    "retry": "due now",
    "bounce": "returned to its sender",
    "drop": "dropped; nobody was told",
}
_verb("hold", "Keep messages back until they are released.")
_verb("release", "Let held messages go.")
_verb("retry", "Try messages now.")
_verb("bounce", "Return messages to their senders.")
_verb("drop", "Throw messages away without telling anybody.")


@queue.command("check")
@_root
@_json
@click.option("--repair", is_flag=True, help="mend what can be mended, after showing it")
@click.option("--yes", is_flag=True, help="with --repair: do not ask")
def check_(root: str | None, *, as_json: bool, repair: bool, yes: bool) -> None:
    """Look whether the queue on the disk is whole; all of it while the server is stopped."""
    place = Place(find_root(root))
    try:
        if repair:
            with queue_check.alone(place):
                _repair(place, as_json=as_json, is_agreed=yes)
        found = queue_check.check(place)
    except CheckError as error:
        click.echo(f"glass queue: {error}", err=True)
        sys.exit(3)
    if not repair or as_json:
        _tell_findings(found, as_json=as_json)
    _tell_state(found, as_json=as_json)
    sys.exit(1 if found.findings else 0 if found.is_complete else 3)


def _repair(place: Place, *, as_json: bool, is_agreed: bool) -> None:
    """Show what would be done, ask, do it."""
    found = queue_check.check(place, is_alone=True)
    if not as_json:
        _tell_findings(found, as_json=False)
    if not any(finding.mend for finding in found.findings):
        return
    if not is_agreed and not (sys.stdin.isatty() and click.confirm("Do this?")):
        click.echo("nothing was changed: --repair --yes does it", err=True)
        sys.exit(1)

    def told(finding: Finding) -> None:
        if not as_json:
            click.echo(f"{finding.subject}: done: {finding.remedy}")

    queue_check.repair(place, told)


def _tell_findings(found: Check, *, as_json: bool) -> None:
    for finding in found.findings:
        if as_json:
            row = {"kind": finding.kind, "subject": finding.subject, "sentence": finding.sentence,
                   "remedy": finding.remedy}  # fmt: skip
            click.echo(json_line(row))
        else:
            click.echo(_printable(f"{finding.subject} {finding.sentence}"))
            if finding.remedy:
                click.echo(_printable(f"    --repair: {finding.remedy}"))


def _tell_state(found: Check, *, as_json: bool) -> None:
    if as_json:
        row = {"findings": len(found.findings), "complete": found.is_complete,
               "messages": found.messages, "handed_in": found.handed_in}  # fmt: skip
        click.echo(json_line(row))
        return
    if not found.is_complete:
        click.echo("the database was not looked at: the running server owns it (glass stop first)")
    elif not found.findings:
        messages = live_screen.counted(found.messages or 0, "message")
        waiting = f", and {found.handed_in:,} handed in, waiting for a server"
        click.echo(f"the queue is whole: {messages}{waiting if found.handed_in else ''}")


def _rows(place: Place, call: Callable[[], Iterator[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    try:
        yield from call()
    except RequestError as error:
        click.echo(f"glass queue: {error}", err=True)
        sys.exit(error.exit_code)


def _matches(
    row: dict[str, Any], sender: str | None, recipient: str | None, state: str | None
) -> bool:
    if sender is not None and sender.lower() not in row["sender"].lower():
        return False
    if recipient is not None and not any(
        recipient.lower() in r["original"].lower() for r in row["recipients"]
    ):
        return False
    return (
        state is None
        or {
            "held": row["held"],
            "bouncing": row["bouncing"],
            "waiting": not row["held"] and not row["bouncing"],
        }[state]
    )


def _describe(row: dict[str, Any]) -> str:
    age = _age(time.time() - row["born"])
    marks = "".join(f"  {m}" for m in ("held", "bouncing") if row[m])
    sender = _printable(row["sender"])
    lines = [
        (f"#{row['message']}  {row['trace']}  from <{sender}>  {_bytes(row['size'])}  "
        f"{age} old{marks}")
    ]
    for recipient in row["recipients"]:
        lines.append(
            f"    to {recipient['channel']} {_printable(recipient['address'])}: {_fate(recipient)}"
        )
        if recipient["text"]:
            lines += [
                f"        {line}" for line in _printable(recipient["text"]).strip().splitlines()
            ]
    return "\n".join(lines)


def _fate(recipient: dict[str, Any]) -> str:
    if recipient["state"] != "waiting":
        return str(recipient["state"])
    wait = recipient["retry_at"] - time.time()
    return "being tried, or due now" if wait <= 0 else f"next attempt in {_age(wait)}"


def _age(seconds: float) -> str:
    seconds = int(max(0, seconds))
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def _bytes(count: int) -> str:
    if count < 10_000:
        return f"{count} bytes"
    return f"{count / 1_000:.0f} kB" if count < 10_000_000 else f"{count / 1_000_000:.0f} MB"


def _printable(text: str) -> str:
    """Make text from the network safe for a terminal; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
