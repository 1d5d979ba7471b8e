"""`glass serve`: take the compiled modules if there are any, then run the server."""

import sys

import click

from glassmail import compiled
from glassmail.compiled import Standing
from glassmail.faces.cli.root_option import root_option

REMEDY = "`make compile` makes them anew"


@click.command()
@root_option
@click.option("--one-user", is_flag=True, help="run everything as the caller")
@click.option("--interpreted", is_flag=True, help="leave compiled modules aside, this time")
def serve(root: str | None, *, one_user: bool, interpreted: bool) -> None:
    """Run the server in the foreground; prints `ready` when every port answers."""
    found = Standing.ABSENT if interpreted else compiled.prefer()
    if found not in {Standing.ABSENT, Standing.CURRENT}:
        click.echo(f"glass serve: compiled modules stay unused: {found.value}: {REMEDY}", err=True)
    # Only now: whatever was imported before it was looked for is interpreted for good.
    from glassmail.faces.cli.serving import run

    sys.exit(run(root, one_user=one_user))
