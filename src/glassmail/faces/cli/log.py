"""`glass log`: look into the text logs (`send`, `smtpd`, `serve`, `records`)."""

import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import click

from glassmail.core.model import code as trace_code
from glassmail.core.model.system_errors import words_of
from glassmail.events.case import Query
from glassmail.events.line_filter import STATES, Line, LineFilter, Wanted
from glassmail.events.text_log import ALL_LOGS, LOGS, SEND, SMTPD
from glassmail.explain import log_lines
from glassmail.explain.moments import MomentError, parse_moment
from glassmail.explain.why import CannotTellError, ask_history
from glassmail.faces.cli.log_history import forget, import_
from glassmail.faces.cli.log_view import COLOURS, View
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root

FOLLOW_S = 0.25
EXIT_NOTHING, EXIT_CANNOT_TELL = 1, 3
UNTIL_ALWAYS = 2**62

_Command = Callable[..., None]

_root = root_option


def _shared(command: _Command) -> _Command:
    """Add what every verb takes: the site and the form of the output."""
    for option in (
        click.option("--colour", "--color", type=click.Choice(COLOURS), default="auto",
                     help="When to colour; auto: on a terminal."),
        click.option("--raw", is_flag=True, help="Lines as they stand, with their stamps."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a line."),
        _root,
    ):  # fmt: skip
        command = option(command)
    return command


def _filters(command: _Command) -> _Command:
    """Add the words that choose lines."""
    for option in (
        click.option("--until", metavar="WHEN", help="Only up to then."),
        click.option("--since", metavar="WHEN", help="Only from then on: 2h, 3d, 14:30, "
                     "2026-11-20."),
        click.option("--state", "states", type=click.Choice(STATES), multiple=True,
                     help="Only deliveries that ended so, or refusals."),
        click.option("--client", metavar="IP", help="Only sessions of this client."),
        click.option("--to", "recipient", metavar="TEXT", help="Only recipients that hold TEXT."),
        click.option("--from", "sender", metavar="TEXT", help="Only senders that hold TEXT."),
    ):  # fmt: skip
        command = option(command)
    return command


@click.group("log")
def log() -> None:
    """Look into the text logs.

    send holds deliveries in qmail-send's words, smtpd refusals and sessions, serve news of the
    processes; records, where control/logrecords is set, a line for each session, message and
    delivery.
    """


@log.command("tail")
@click.argument("names", type=click.Choice(ALL_LOGS), nargs=-1)
@click.option("-n", "--lines", "count", type=click.IntRange(0, 1_000_000), default=20,
              show_default=True, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until interrupted.")
@_filters
@_shared
def tail(
    names: tuple[str, ...], count: int, root: str | None, *, follow: bool,
    **more: Any,  # noqa: ANN401 -- click's options
) -> None:  # fmt: skip
    """Print the last lines of a log (send if none is named), or of several by time.

    With --from and the like the last lines that fit are printed.

    Exit status: 0 fine, 3 a log cannot be read.
    """
    place = Place(find_root(root))
    wanted, since, until = _wanted(more)
    names = names or ((SEND, SMTPD) if wanted.client or "refused" in wanted.states else (SEND,))
    view = _view(names, more)
    chosen = LineFilter(wanted)
    try:
        following = log_lines.Following(place, names) if follow else None
        for line in _last(place, names, count, chosen, (since, until)):
            view.write(line)
        while following is not None:
            for new in following.read():
                for line in chosen.feed(new):
                    view.write(line)
            sys.stdout.flush()
            time.sleep(FOLLOW_S)
    except KeyboardInterrupt:
        return
    except OSError as error:
        _cannot_tell(place, error)


@log.command("grep")
@click.argument("pattern")
@click.argument("names", type=click.Choice(ALL_LOGS), nargs=-1)
@click.option("-i", "--ignore-case", is_flag=True, help="Capitals do not matter in PATTERN.")
@click.option("-e", "--regex", is_flag=True, help="PATTERN is a regular expression.")
@_filters
@_shared
def grep(
    pattern: str, names: tuple[str, ...], root: str | None, *, ignore_case: bool, regex: bool,
    **more: Any,  # noqa: ANN401 -- click's options
) -> None:  # fmt: skip
    """Print the lines of the logs that hold PATTERN, in the order of time.

    Exit status: 0 found, 1 nothing found, 3 a log cannot be read.
    """
    try:
        held = re.compile(
            (pattern if regex else re.escape(pattern)).encode("utf-8", "surrogateescape"),
            re.IGNORECASE if ignore_case else 0,
        )
    except re.error as error:
        raise click.UsageError(f"PATTERN {pattern!r}: {error}") from error
    place = Place(find_root(root))
    wanted, since, until = _wanted(more)
    chosen = LineFilter(wanted)
    view = _view(names or LOGS, more)
    count = 0
    try:
        for read in log_lines.between(place, names or LOGS, since, until):
            for line in chosen.feed(read):
                if held.search(line.text):
                    count += 1
                    view.write(line)
    except OSError as error:
        _cannot_tell(place, error)
    sys.exit(0 if count else EXIT_NOTHING)


@log.command("session")
@click.argument("what", metavar="CODE|NUMBER")
@_shared
def session(what: str, root: str | None, **more: Any) -> None:  # noqa: ANN401 -- click's options
    """Print every line about a session or a message: the client's, the queue's, the deliveries'.

    CODE is a trace code as it stands in replies, NUMBER a message's number. What came of the
    messages (bounces, forwards) is told too.

    Exit status: 0 found, 1 nothing found, 2 not a code or number, 3 cannot tell.
    """
    place = Place(find_root(root))
    query = _story(what)
    view = _view((SEND, SMTPD), more)
    try:
        wanted, since = _lines_of(place, query)
        chosen, count = LineFilter(wanted), 0
        for read in log_lines.between(place, (SEND, SMTPD), since, UNTIL_ALWAYS):
            for line in chosen.feed(read):
                count += 1
                view.write(line)
    except CannotTellError as error:
        click.echo(f"glass log: {error}", err=True)
        sys.exit(EXIT_CANNOT_TELL)
    except OSError as error:
        _cannot_tell(place, error)
    if not count:
        click.echo(f"glass log: no line that is kept tells of {what}: glass why {what!r} asks the "
                   "history", err=True)  # fmt: skip
    sys.exit(0 if count else EXIT_NOTHING)


def _story(what: str) -> Query:
    digits = what.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        return Query(("message",), number=int(digits))
    found = trace_code.parse(what.encode("utf-8", "replace"))
    if found is None:
        raise click.UsageError(f"{what!r} is neither a trace code nor the number of a message")
    return Query(("code",), number=found[0])


def _lines_of(place: Place, query: Query) -> tuple[Wanted, int]:
    """Ask the history which messages and sessions belong together, and when that began."""
    from glassmail.events import codec

    messages, codes, since = set(), set(), 0
    if query.kinds == ("message",):
        messages.add(query.number)
    else:
        codes.add(trace_code.render(query.number))
    _found, cases = ask_history(place, query)
    for case in cases:
        for event in codec.decode(case.events):
            since = min(since, event.at) if since else event.at
            messages.add(getattr(event, "message", 0))
            number = getattr(event, "code", 0)
            if 0 < number <= trace_code.NUMBER_MAX:
                codes.add(trace_code.render(number))
    wanted = Wanted(messages=frozenset(messages - {0}), codes=frozenset(codes))
    return wanted, max(0, since - 60_000_000_000)


def _wanted(more: dict[str, Any]) -> tuple[Wanted, int, int]:
    now = time.time_ns()
    try:
        since = parse_moment(more["since"], now) if more["since"] else 0
        until = parse_moment(more["until"], now) if more["until"] else UNTIL_ALWAYS
    except MomentError as error:
        raise click.UsageError(str(error)) from error
    wanted = Wanted(
        (more["sender"] or "").lower().encode("utf-8", "surrogateescape"),
        (more["recipient"] or "").lower().encode("utf-8", "surrogateescape"),
        (more["client"] or "").encode("utf-8", "surrogateescape"),
        frozenset(more["states"]),
    )
    return wanted, since, until


def _last(
    place: Place, names: tuple[str, ...], count: int, chosen: LineFilter, span: tuple[int, int]
) -> list[Line]:
    if chosen.takes_all and span == (0, UNTIL_ALWAYS):
        return log_lines.last(place, names, count)
    kept: deque[Line] = deque(maxlen=count)
    for read in log_lines.between(place, names, *span):
        kept.extend(chosen.feed(read))
    return list(kept)


def _view(names: tuple[str, ...], more: dict[str, Any]) -> View:
    return View(names, colour=more["colour"], as_json=more["as_json"], raw=more["raw"])


def _cannot_tell(place: Place, error: OSError) -> None:
    if isinstance(error, BrokenPipeError):
        raise error  # whoever read it (`head`, `less`) has enough: faces.cli.main ends quietly
    reason = words_of(error)
    if error.filename is None:  # not a log: what is written here cannot be written
        told = reason
    elif not isinstance(error, FileNotFoundError):
        told = f"{error.filename}: {reason}: ask as root or as the owner of the logs"
    elif os.path.isdir(place.control):
        told = f"{error.filename}: no such log: the server makes it when it starts (glass serve)"
    else:
        told = f"{place.root}: no such site: name it by --root"
    click.echo(f"glass log: {told}", err=True)
    sys.exit(EXIT_CANNOT_TELL)


log.add_command(import_)
log.add_command(forget)
