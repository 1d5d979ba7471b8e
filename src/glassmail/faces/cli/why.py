"""`glass why`: what did happen to a message, an address, a session."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator

import click

from glassmail.core.model.system_errors import words_of
from glassmail.explain.moments import MomentError, parse_moment
from glassmail.explain.question import Limits, Question, QuestionError, Reading, understand
from glassmail.explain.steps import WIDTH, printable
from glassmail.explain.why import Answer, CannotTellError, answer
from glassmail.explain.why_rows import (
    advice_row,
    candidate_rows,
    nothing_row,
    reading_row,
    story_rows,
)
from glassmail.explain.why_story import Row
from glassmail.explain.why_text import Line, Writer, shown_reading
from glassmail.explain.why_verdict import Ping
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root
from glassmail.stations.routing import own_domains
from glassmail.store.control import ControlError, take_snapshot

_DOMAIN_TABLES = ("envnoathost", "locals", "me", "virtualdomains")
EXIT_FOUND, EXIT_NOTHING, EXIT_CANNOT_TELL = 0, 1, 3
STDIN_BYTES_MAX = 1_000_000
_LOOKS = {"head": "bold", "good": "green", "bad": "red", "open": "yellow", "faint": "dim"}


@click.command("why")
@click.argument("what", nargs=-1)
@root_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--since", metavar="WHEN", help="Only from then on: 2h, 3d, 14:30, 2026-11-20.")
@click.option("--until", metavar="WHEN", help="Only up to then.")
@click.option("--from", "sender", metavar="ADDRESS", help="Only mail from ADDRESS or @DOMAIN.")
@click.option("--to", "recipient", metavar="ADDRESS", help="Only mail to ADDRESS or @DOMAIN.")
@click.option("--as", "viewer", metavar="ADDRESS", help="Only what the owner of ADDRESS may see, "
              "or of @DOMAIN; you may ask so about your own mail.")
@click.option("--logs", multiple=True, metavar="PATH", help="Ask the logs of a qmail there "
              "instead of this site: multilog directories or files.")
@click.option("--probe", is_flag=True, help="Ping hosts that took no connection.")
@click.option("--no-dns", is_flag=True, help="Ask DNS nothing about the sender's networks.")
def why(
    what: tuple[str, ...], root: str | None, *, logs: tuple[str, ...], as_json: bool,
    probe: bool, no_dns: bool, **restrictions: str | None,
) -> None:  # fmt: skip
    """Tell what did happen to mail, and why.

    WHAT is anything you have in hand: a trace code, a Message-ID, a message number (#7), an
    address, the name of a user here, a client's numeric address, a file in a Maildir, a line of
    a log, a bounce or error text, the header of a message, another server's queue id. `-` reads
    it from standard input; with --from or --to it may be left out.

    Exit status: 0 found, 1 nothing is known (and the time span that holds for), 2 WHAT is not
    understood, 3 cannot tell.
    """
    now = time.time_ns()
    place = Place(find_root(root))
    try:
        limits = _limits(restrictions, now)
        question = understand(_given(what, restrictions), now, limits, _domains(place))
    except (MomentError, QuestionError) as error:
        raise click.UsageError(printable(str(error))) from error
    ping = _ping() if probe else None
    try:
        told = _of_logs(place, question, logs) if logs else answer(place, question)
        is_whole = not logs and not limits.viewer  # who else connected is not an owner's to see
        if not told.cases and question.readings and is_whole:
            from glassmail.explain.nearby import look_nearby  # its DNS client costs 60 ms

            told = told._replace(
                nearby=look_nearby(place, question, limits, asks_dns=not no_dns)
            )
    except CannotTellError as error:
        click.echo(f"glass why: {printable(str(error))}", err=True)
        sys.exit(EXIT_CANNOT_TELL)
    for problem in told.found.unread:
        click.echo(f"glass why: not searched: {printable(problem)}", err=True)
    if as_json:
        for row in rows(place, question, told, ping):
            click.echo(json.dumps(row))
    else:
        show(lines(place, question, told, (now, ping), (limits.since, limits.until)))
    if not told.cases and told.found.unread:
        sys.exit(EXIT_CANNOT_TELL)
    sys.exit(EXIT_FOUND if told.cases else EXIT_NOTHING)


def _given(what: tuple[str, ...], restrictions: dict[str, str | None]) -> str:
    """Join the words of a question, or read it from standard input."""
    if what == ("-",) or (not what and not _names(restrictions) and not sys.stdin.isatty()):
        return sys.stdin.buffer.read(STDIN_BYTES_MAX).decode("utf-8", "backslashreplace")
    return " ".join(what)


def _domains(place: Place) -> list[str]:
    """Where a name without a domain may be somebody's: qmail's own choice first."""
    try:
        settings = take_snapshot(place.control, _DOMAIN_TABLES)
    except ControlError:
        return []  # `glass doctor` tells why
    names = dict.fromkeys((settings.line("envnoathost"), *own_domains(settings)))
    return [name.decode("utf-8", "replace") for name in names if name]


def _names(restrictions: dict[str, str | None]) -> bool:
    return bool(restrictions.get("sender") or restrictions.get("recipient"))


def _limits(restrictions: dict[str, str | None], now: int) -> Limits:
    since, until = (restrictions.get(name) for name in ("since", "until"))
    return Limits(
        parse_moment(since, now) if since else 0,
        parse_moment(until, now) if until else 0,
        _bare(restrictions.get("sender")),
        _bare(restrictions.get("recipient")),
        _bare(restrictions.get("viewer")),
    )


def _bare(address: str | None) -> str:
    return (address or "").strip().removeprefix("<").removesuffix(">")


def _of_logs(place: Place, question: Question, logs: tuple[str, ...]) -> Answer:
    """Read logs into a history of its own, which is gone afterwards, and ask that."""
    import tempfile

    from glassmail.store.history.importing import build
    from glassmail.store.history.schema import HistoryError

    with tempfile.TemporaryDirectory(prefix="glass-why-") as base:
        try:
            build(os.path.join(base, "logs"), logs, time.time_ns())
        except OSError as error:
            told = f"{error.filename or logs[0]}: {words_of(error)}: name logs that you may read"
            raise CannotTellError(told) from error
        except HistoryError as error:
            raise CannotTellError(str(error)) from error
        return answer(place, question, os.path.join(base, "logs"))


def _ping() -> Ping:
    from glassmail.net.ping import answers_ping

    return answers_ping


def rows(
    place: Place, question: Question, told: Answer, ping: Ping | None = None
) -> Iterator[Row]:
    """Yield the JSON objects of an answer."""
    if question.header:
        from glassmail.explain.hops_text import hop_rows, read_hops

        yield from hop_rows(read_hops(place, question))
    if question.is_pasted and told.reading is not None:
        yield reading_row(told.reading)
    if not told.cases:
        if question.advice.id:
            yield advice_row(question.advice)
        yield nothing_row(told.found.coverage, question.asked)
        if told.nearby is not None:
            from glassmail.explain.nearby_text import nearby_rows

            yield from nearby_rows(told.nearby, question)
    elif len(told.cases) == 1:
        yield from story_rows(told.cases[0], ping)
    else:
        yield from candidate_rows(told.found, told.cases, _recipient_of(told.reading))


def lines(
    place: Place, question: Question, told: Answer, moment: tuple[int, Ping | None],
    span: tuple[int, int] = (0, 0),
) -> Iterator[Line]:
    """Yield the lines of an answer; `moment` is now and the ping, `span` --since and --until."""
    now, ping = moment
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    width = min(width, 132)
    writer = Writer(now, width)
    if question.header:
        from glassmail.explain.hops_text import hop_lines, read_hops

        table = list(hop_lines(read_hops(place, question), width))
        yield from (Line(text, look) for text, look in table)
        yield from [Line("")] * bool(table)
    if question.is_pasted:
        yield from writer.reading(question, told.reading)
    if not told.cases:
        yield from writer.meaning(question.advice)
        if question.readings:
            yield from writer.nothing(question, told.found.coverage, span)
        if told.nearby is not None:
            from glassmail.explain.nearby_text import advice_of, nearby_lines

            for text, look in nearby_lines(told.nearby, question):
                yield Line(text, look)
            yield from writer.advice(advice_of(told.nearby, question))
    elif len(told.cases) == 1:
        yield from writer.story(told.cases[0], ping)
    else:
        is_read = question.is_pasted and told.reading is not None
        asked = shown_reading(told.reading) if is_read and told.reading else question.asked
        recipient = _recipient_of(told.reading)
        yield from writer.candidates(
            told.found, told.cases, asked or question.asked, recipient
        )


def _recipient_of(reading: Reading | None) -> str:
    """Return the address, or `@` and domain, whose mail was looked for; empty when none was."""
    if reading is None:
        return ""
    query = reading.query
    if query.recipient:
        return query.recipient
    if "domain" in query.kinds:
        return f"@{query.text.removeprefix('@')}"
    return query.text if "address" in query.kinds else ""


def show(answer: Iterable[Line]) -> None:
    """Print lines, in colour on a terminal."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        for line in answer:
            click.echo(line.text)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in answer:
        console.print(Text(line.text, style=_LOOKS.get(line.look, "")))
