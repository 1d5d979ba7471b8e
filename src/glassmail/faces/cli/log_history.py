"""`glass log import` and `glass log forget`: bring history in, take an address out."""

import json
import os
import sys

import click

from glassmail.admin.log_history import (
    LogHistoryError,
    forget_address,
    import_logs,
    names_of_imports,
)
from glassmail.events.fields import time_of
from glassmail.explain.moments import show_moment
from glassmail.explain.steps import printable
from glassmail.faces.cli.live_screen import counted
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root

EXIT_NOTHING = 1

_root = root_option
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command("import")
@click.argument("paths", nargs=-1, type=click.Path())
@click.option("--name", default="qmail", show_default=True, help="Of the import; it replaces an "
              "earlier one of that name.")  # fmt: skip
@click.option("--list", "is_list", is_flag=True, help="Name the imports that there are.")
@_root
@_json
def import_(
    paths: tuple[str, ...], name: str, root: str | None, *, is_list: bool, as_json: bool
) -> None:
    """Read the logs of a qmail into the history, so that `glass why` can be asked about them.

    PATHS are multilog directories (of qmail-send and of the SMTP side), directories that hold
    some, or files, also gzipped ones, with TAI64N, local or syslog times. The logs are only read.
    What is older than control/historydays is left out.

    Exit status: 0 done, 1 a path is missing or nothing in it is known, 3 cannot be done.
    """
    place = Place(find_root(root))
    if is_list:
        for one in names_of_imports(place):
            click.echo(one)
        return
    if not paths:
        raise click.UsageError("which logs? name directories or files")
    try:
        done = import_logs(place, paths, name, _progress)
    except LogHistoryError as error:
        click.echo(f"glass log import: {printable(str(error))}", err=True)
        sys.exit(error.status)
    if as_json:
        row = done._asdict() | {"name": name, "first": _time(done.first), "last": _time(done.last)}
        click.echo(json.dumps(row))
    else:
        read, events = counted(done.lines, "line"), counted(done.events, "event")
        click.echo(f"{read} read, {done.known} of them known, {events}")
        if done.events:
            first, last = show_moment(done.first), show_moment(done.last)
            days = f"{done.days} day{'' if done.days == 1 else 's'}"
            click.echo(f"{days}, {first} to {last}: ask glass why about them")
        if done.untimed:
            click.echo(f"{done.untimed} known lines have no time: they were left out")
        if done.left_out:
            click.echo(f"{done.left_out} events are older than control/historydays: left out")
    sys.exit(0 if done.events else EXIT_NOTHING)


@click.command("forget")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_root
@_json
def forget(address: str, root: str | None, *, yes: bool, as_json: bool) -> None:
    """Take an address out of the history and the text logs; it cannot be undone.

    Wherever ADDRESS stands, in any case, routed or as VERP, it is overwritten. What happened stays
    known, to whom does not. Mail that is still in the queue is recorded anew.

    Exit status: 0 forgotten, 1 it stood nowhere, 3 cannot be done.
    """
    bare = address.strip().removeprefix("<").removesuffix(">")
    if "@" not in bare.strip("@"):
        raise click.UsageError(f"{address!r} is no address")
    if not yes and not click.confirm(f"forget {printable(bare)} for good?"):
        sys.exit(EXIT_NOTHING)
    try:
        done = forget_address(Place(find_root(root)), bare)
    except LogHistoryError as error:
        click.echo(f"glass log forget: {printable(str(error))}", err=True)
        sys.exit(error.status)
    if as_json:
        click.echo(json.dumps(done._asdict()))
    else:
        click.echo(
            f"forgotten in {counted(done.records, 'record')} of {counted(done.days, 'day')}, and "
            f"{counted(done.lines, 'time')} in {counted(done.files, 'text log')}"
        )
    sys.exit(0 if done.records or done.lines else EXIT_NOTHING)


def _progress(path: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"reading {printable(os.fspath(path))}", err=True)


def _time(at: int) -> str:
    return time_of(at) if at else ""
