"""`glass policy list`: the checks of the SMTP server in the order that they are asked."""

import importlib
import inspect
import json
from collections.abc import Iterator
from textwrap import wrap

import click

from glassmail.core.policy.pipeline import PIPELINE

_NAME_COLUMN = 20
_WIDTH = 80


@click.group()
def policy() -> None:
    """Show what a client is asked, and in which order."""


@policy.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_(as_json: bool) -> None:
    """List the checks by stage; the first that refuses decides.

    Fields of --json: stage, check, about, unset (whether it is passed over while no setting or
    variable of the client asks for it).
    """
    for stage, checks in PIPELINE.items():
        if checks and not as_json:
            click.echo(f"{stage}:")
        for name, check, is_active in checks:
            about = _about(check.__module__)
            is_optional = is_active.__name__ != "_always"
            if as_json:
                row = {"stage": stage, "check": name, "about": about, "unset": is_optional}
                click.echo(json.dumps(row))
                continue
            for line in _lines(name, about + (" (when set)" if is_optional else "")):
                click.echo(line)


def _about(module: str) -> str:
    """The first sentence of a check's module, which is its page in the manual."""
    text = inspect.getdoc(importlib.import_module(module)) or ""
    return text.partition("\n\n")[0].replace("\n", " ")


def _lines(name: str, about: str) -> Iterator[str]:
    lines = wrap(about, _WIDTH - _NAME_COLUMN, break_on_hyphens=False)
    yield f"  {name}".ljust(_NAME_COLUMN) + lines[0]
    for line in lines[1:]:
        yield " " * _NAME_COLUMN + line
