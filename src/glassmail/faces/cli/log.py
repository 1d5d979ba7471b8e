"""`glass log`: look into the text logs (`send`, `smtpd`, `serve`)."""

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator

import click

from glassmail.core.formats.tai64n import label, parse
from glassmail.events.fields import time_of
from glassmail.events.text_log import LOGS, SEND
from glassmail.explain.moments import MomentError, parse_moment, show_clock, show_moment
from glassmail.explain.steps import shown
from glassmail.settings.place import DEFAULT_ROOT, ROOT_VARIABLE, Place, find_root
from glassmail.store import multilog_files

FOLLOW_S = 0.25
EXIT_NOTHING, EXIT_CANNOT_TELL = 1, 3

_root = click.option(
    "--root", metavar="DIR", help=f"The site; else ${ROOT_VARIABLE}, else {DEFAULT_ROOT}."
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_raw = click.option("--raw", is_flag=True, help="Lines as they stand, with their TAI64N labels.")


@click.group("log")
def log() -> None:
    """Look into the text logs: send (deliveries), smtpd (sessions), serve (processes)."""


@log.command("tail")
@click.argument("name", type=click.Choice(LOGS), default=SEND)
@click.option("-n", "--lines", "count", type=click.IntRange(0, 1_000_000), default=20)
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines until interrupted.")
@_root
@_json
@_raw
def tail(
    name: str, count: int, root: str | None, *, follow: bool, as_json: bool, raw: bool
) -> None:
    """Print the last lines of a log.

    Exit status: 0 fine, 3 the log cannot be read.
    """
    directory = os.path.join(Place(find_root(root)).log, name)
    write = _writer(name, as_json=as_json, raw=raw)
    try:
        follower = multilog_files.Follower(directory) if follow else None
        for line in multilog_files.last_lines(directory, count):
            write(line)
        while follower is not None:
            for line in follower.read():
                write(line)
            sys.stdout.flush()
            time.sleep(FOLLOW_S)
    except KeyboardInterrupt:
        return
    except OSError as error:
        _cannot_tell(error)


@log.command("grep")
@click.argument("pattern")
@click.argument("names", type=click.Choice(LOGS), nargs=-1)
@click.option("-i", "--ignore-case", is_flag=True)
@click.option("-e", "--regex", is_flag=True, help="PATTERN is a regular expression.")
@click.option("--since", metavar="WHEN", help="Only from then on: 2h, 3d, 14:30, 2026-11-20.")
@click.option("--until", metavar="WHEN", help="Only up to then.")
@_root
@_json
@_raw
def grep(
    pattern: str,
    names: tuple[str, ...],
    since: str | None,
    until: str | None,
    root: str | None,
    **flags: bool,
) -> None:
    """Print the lines of the logs that hold PATTERN, oldest first in each log.

    Exit status: 0 found, 1 nothing found, 3 a log cannot be read.
    """
    now = time.time_ns()
    try:
        span = (
            parse_moment(since, now) if since else 0,
            parse_moment(until, now) if until else 2**62,
        )
        wanted = re.compile(
            os.fsencode(pattern if flags["regex"] else re.escape(pattern)),
            re.IGNORECASE if flags["ignore_case"] else 0,
        )
    except (MomentError, re.error) as error:
        raise click.UsageError(str(error)) from error
    place = Place(find_root(root))
    count = 0
    try:
        for name in names or LOGS:
            write = _writer(name, as_json=flags["as_json"], raw=flags["raw"])
            for line in _within(os.path.join(place.log, name), span):
                if wanted.search(line):
                    count += 1
                    write(line)
    except OSError as error:
        _cannot_tell(error)
    sys.exit(0 if count else EXIT_NOTHING)


def _within(directory: str, span: tuple[int, int]) -> Iterator[bytes]:
    """Yield the lines of a span of time; lines without label belong to the one before."""
    at = 0
    for line in multilog_files.lines(directory, label(span[0])):
        stamped = parse(line)
        if stamped is not None:
            at = stamped[0]
        if span[0] <= at <= span[1]:
            yield line


def _writer(name: str, *, as_json: bool, raw: bool) -> Callable[[bytes], None]:
    def write(line: bytes) -> None:
        stamped = parse(line)
        if raw:
            click.echo(shown(line))
        elif as_json:
            at, text = stamped or (0, line)
            moment = time_of(at) if at else ""
            click.echo(json.dumps({"time": moment, "log": name, "line": shown(text.strip())}))
        elif stamped is None:
            click.echo(shown(line))
        else:
            at, text = stamped
            click.echo(f"{show_moment(at)[:10]} {show_clock(at)}{shown(text)}")

    return write


def _cannot_tell(error: OSError) -> None:
    reason = error.strerror or str(error)
    click.echo(
        f"glass log: {error.filename}: {reason}: ask as root or as the owner of the logs", err=True
    )
    sys.exit(EXIT_CANNOT_TELL)
