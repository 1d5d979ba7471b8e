"""What `glass domain`, `user` and `alias` share: the site, tables, what a change prints."""

import errno
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.explain.steps import printable
from glassmail.settings.place import Place, find_root
from glassmail.store.account_writer import AccountChangeError
from glassmail.store.control import ControlError
from glassmail.store.edit import EditError

json_option = click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
GAP = "  "
CLOSED = os.strerror(errno.EACCES)


def site_at(root: str | None) -> Site:
    """Return the site; ends the command when there is none."""
    place = Place(find_root(root))
    if not os.path.isdir(place.control):
        click.echo(f"glass: {place.control} does not exist: glass init", err=True)
        sys.exit(3)
    return Site.at(place)


@contextmanager
def refusals(verb: str) -> Iterator[None]:
    """Tell a refusal and end with 1; nothing was changed then.

    A question that this user's rights do not let us answer ends with 3.
    """
    try:
        yield
    except (AccountError, AccountChangeError, EditError, ControlError) as error:
        click.echo(f"glass {verb}: {printable(str(error))}", err=True)
        is_question = verb.endswith((" list", " show"))
        sys.exit(3 if is_question and CLOSED in str(error) else 1)


def report(changes: Changes, root: str | None, *, as_json: bool, **more: object) -> None:
    """Print what was changed, what to know besides, and the commands that undo it."""
    undo = [_with_root(command, root) for command in changes.undo]
    if as_json:
        row = {"changed": changes.told, "undo": undo, "notes": changes.notes, **more}
        click.echo(json.dumps(row))
        return
    for sentence in changes.told:
        click.echo(printable(sentence))
    if not changes.told:
        click.echo("nothing to change")
    for name, value in more.items():
        click.echo(f"{name}: {value}")
    for note in changes.notes:
        click.echo(f"note: {printable(note)}")
    for command in undo:
        click.echo(f"undo: {printable(command)}")


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Align columns under their headings; numbers go to the right."""
    texts = [[printable(cell) for cell in row] for row in rows]
    widths = [
        max(len(heading), *(len(row[at]) for row in texts), 0)
        for at, heading in enumerate(headings)
    ]
    numeric = [
        bool(texts) and all(row[at].rstrip(" %MGKTB")[-1:].isdigit() or row[at] in ("", "-")
                            for row in texts)
        for at in range(len(headings))
    ]  # fmt: skip
    yield click.style(_line(headings, widths, numeric), bold=True)
    for row in texts:
        yield _line(row, widths, numeric)


def print_rows(
    rows: Sequence[dict[str, Any]], headings: Sequence[str], *, as_json: bool, none: str
) -> None:
    """Print a list: one JSON object a line, or a table of these fields."""
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    if not rows:
        click.echo(none)
        return
    cells = [[_cell(row.get(name.replace(" ", "_"))) for name in headings] for row in rows]
    for line in table(headings, cells):
        click.echo(line)


def print_fields(row: dict[str, Any], *, as_json: bool) -> None:
    """Print one thing: a JSON object, or a line a field."""
    if as_json:
        click.echo(json.dumps(row))
        return
    width = max(map(len, row))
    for name, value in row.items():
        values = value if isinstance(value, list) else [value]
        for at, each in enumerate(values or ["-"]):
            label = name.replace("_", " ") if at == 0 else ""
            click.echo(f"{label:<{width}}{GAP}{printable(_cell(each))}".rstrip())


def size_text(count: int) -> str:
    """Say a number of bytes in the unit that fits: `20.0 kB`, `1.5 GB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1_000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1_000
    return f"{count} B"


def data_of(text: str) -> bytes:
    """Return a command line's word as bytes."""
    return os.fsencode(text)


def shown(data: bytes) -> str:
    """Return bytes as text for output."""
    return data.decode("utf-8", "backslashreplace")


def _with_root(command: str, root: str | None) -> str:
    if root is None or not command.startswith("glass "):
        return command
    verb = command.split(" ", 3)[:3]  # before a `--`, if there is one
    rest = command[len(" ".join(verb)) :]
    at, tail = (rest.index(" -- "), True) if " -- " in rest else (len(rest), False)
    words = f"{rest[:at]} --root {shlex.quote(root)}"
    return " ".join(verb) + words + (rest[at:] if tail else "")


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    parts = [
        cell.rjust(width) if is_number else cell.ljust(width)
        for cell, width, is_number in zip(cells, widths, numeric, strict=True)
    ]
    return GAP.join(parts).rstrip()


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    return str(value)

