"""`glass doctor`: everything that is not as it should be on this site."""

import json
import sys
from collections.abc import Sequence
from textwrap import wrap

import click

from glassmail.admin.doctor import AREAS, Finding, Weight, examine
from glassmail.explain.steps import printable
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root

_WIDTH = 80
_EXIT = {Weight.FAULT: 1, Weight.UNKNOWN: 3}  # the first of them that was found


@click.command()
@root_option
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
@click.option("--one-user", is_flag=True, help="the site is served with --one-user")
def doctor(root: str | None, *, as_json: bool, one_user: bool) -> None:
    """Look for everything that is not as it should be, and say how to mend it.

    It asks what `glass serve` asks before it starts, what `glass trace` asks about the postmaster
    of each domain and what `glass queue check` asks, and goes on after the first fault. Nothing
    is changed, no other host is asked, and no server need run.

    Exit status: 0 nothing but warnings, 1 a fault was found, 3 something could not be looked at.
    """
    found = []
    for finding in examine(Place(find_root(root)), one_user=one_user):
        found.append(finding)
        for line in _json(finding) if as_json else _text(finding):
            click.echo(line)
    if not as_json:
        click.echo(_summary(found))
    weights = {finding.weight for finding in found}
    sys.exit(next((code for weight, code in _EXIT.items() if weight in weights), 0))


def _text(finding: Finding) -> list[str]:
    text = f"{finding.weight.value}: {printable(finding.text)}"
    # Commands and paths are to be copied: they are never broken, be they as long as they may.
    return wrap(
        text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )


def _json(finding: Finding) -> list[str]:
    """Write a finding for programs: weight (`fault`, `warning`, `cannot tell`), area, text."""
    row = {"weight": finding.weight.value, "area": finding.area, "text": printable(finding.text)}
    return [json.dumps(row)]


def _summary(found: Sequence[Finding]) -> str:
    looked = "\n".join(wrap(f"looked at: {', '.join(AREAS)}", _WIDTH, subsequent_indent="  "))
    if not found:
        return f"nothing is wrong here\n{looked}"
    counts = []
    for weight, one, more in (
        (Weight.FAULT, "fault", "faults"), (Weight.WARNING, "warning", "warnings"),
        (Weight.UNKNOWN, "thing that could not be looked at", "things that could not be looked at"),
    ):  # fmt: skip
        count = sum(finding.weight is weight for finding in found)
        if count:
            counts.append(f"{count} {one if count == 1 else more}")
    return f"{', '.join(counts)}\n{looked}"
