"""`glass why`: what did happen to a message, an address, a session."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator

import click

from glassmail.events.case import Case, Found
from glassmail.explain.moments import MomentError, parse_moment
from glassmail.explain.steps import WIDTH, printable
from glassmail.explain.why import CannotTellError, QuestionError, ask_history, parse_question
from glassmail.explain.why_rows import candidate_rows, nothing_row, story_rows
from glassmail.explain.why_story import Row
from glassmail.explain.why_text import Line, Writer
from glassmail.settings.place import DEFAULT_ROOT, ROOT_VARIABLE, Place, find_root

EXIT_FOUND, EXIT_NOTHING, EXIT_CANNOT_TELL = 0, 1, 3
_LOOKS = {"head": "bold", "good": "green", "bad": "red", "open": "yellow", "faint": "dim"}


@click.command("why")
@click.argument("what")
@click.option(
    "--root", metavar="DIR", help=f"The site; else ${ROOT_VARIABLE}, else {DEFAULT_ROOT}."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option("--since", metavar="WHEN", help="Only from then on: 2h, 3d, 14:30, 2026-11-20.")
@click.option("--until", metavar="WHEN", help="Only up to then.")
def why(what: str, root: str | None, as_json: bool, since: str | None, until: str | None) -> None:
    """Tell what did happen to mail, and why.

    WHAT is a trace code, an address, a Message-ID, a message number (#7) or a client's numeric
    address.

    Exit status: 0 found, 1 nothing is known (and the time span that holds for), 3 cannot tell.
    """
    now = time.time_ns()
    try:
        begin, end = (parse_moment(text, now) if text else 0 for text in (since, until))
        query = parse_question(what, begin, end)
    except (MomentError, QuestionError) as error:
        raise click.UsageError(str(error)) from error
    try:
        found, cases = ask_history(Place(find_root(root)), query)
    except CannotTellError as error:
        click.echo(f"glass why: {printable(str(error))}", err=True)
        sys.exit(EXIT_CANNOT_TELL)
    for problem in found.unread:
        click.echo(f"glass why: not searched: {printable(problem)}", err=True)
    if as_json:
        for row in rows(found, cases, what):
            click.echo(json.dumps(row))
    else:
        show(lines(found, cases, what, now))
    if not cases and found.unread:
        sys.exit(EXIT_CANNOT_TELL)
    sys.exit(EXIT_FOUND if cases else EXIT_NOTHING)


def rows(found: Found, cases: list[Case], what: str) -> Iterator[Row]:
    """Yield the JSON objects of an answer."""
    if not cases:
        yield nothing_row(found.coverage, what)
    elif len(cases) == 1:
        yield from story_rows(cases[0])
    else:
        yield from candidate_rows(found, cases)


def lines(found: Found, cases: list[Case], what: str, now: int) -> Iterator[Line]:
    """Yield the lines of an answer."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    writer = Writer(now, min(width, 132))
    if not cases:
        yield from writer.nothing(what, found.coverage)
    elif len(cases) == 1:
        yield from writer.story(cases[0])
    else:
        yield from writer.candidates(found, cases, what)


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
