"""`glass block`: shut clients out for a while, see who is shut out, let them in again."""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from glassmail.admin.requests import RequestError, ask
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_root = root_option
_json = click.option("--json", "as_json", is_flag=True, help="one JSON object a line")


def seconds_of(_context: click.Context, _parameter: click.Parameter, value: str) -> int:
    """Read a length of time: `90s`, `10m`, `1h`, `7d`."""
    digits = value.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS.get(value[len(digits) :] or "s")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 9) or unit is None:
        raise click.BadParameter(f"{value}: write a length of time as in 90s, 10m, 1h or 7d")
    return int(digits) * unit


class _Clients(click.Group):
    """A group whose unknown words are clients to block."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take `block CLIENT` for `block add CLIENT`."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["add", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Clients, options_metavar="", subcommand_metavar="CLIENT | list | remove ...")
def block() -> None:
    """Shut a client out: glass block CLIENT --for 1h.

    CLIENT is an address or a network, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/48.
    """


@block.command()
@click.argument("client")
@click.option("--for", "seconds", callback=seconds_of, default="1h", help="how long (default: 1h)")
@click.option("--reason", default="", metavar="TEXT", help="what `why` tells of it")
@_root
@_json
def add(root: str | None, client: str, seconds: int, reason: str, *, as_json: bool) -> None:
    """Shut a client out; `glass block CLIENT` says the same."""
    place = Place(find_root(root))
    for row in _ask(place, "block", client=client, seconds=seconds, reason=reason):
        click.echo(json.dumps(row) if as_json else f"{row['client']} is shut out {_until(row)}")


@block.command("list")
@_root
@_json
def list_(root: str | None, *, as_json: bool) -> None:
    """List clients that are shut out, and accounts whose mail is held."""
    rows = list(_ask(Place(find_root(root)), "blocks"))
    for row in rows:
        if as_json:
            click.echo(json.dumps(row))
        elif "account" in row:
            click.echo(f"{_printable(row['account'])}  mail is held: {_printable(row['reason'])}")
        else:
            what = "" if row["refuses"] == "everything" else f" ({row['refuses']})"
            click.echo(f"{row['client']}{what}  {_until(row)}: {_printable(row['reason'])}")
    if not rows and not as_json:
        click.echo("nobody is shut out, no account is held")


@block.command()
@click.argument("clients", nargs=-1, required=True, metavar="CLIENT|ACCOUNT...")
@_root
def remove(root: str | None, clients: tuple[str, ...]) -> None:
    """Let clients in again, and accounts send again."""
    place = Place(find_root(root))
    for client in clients:
        for row in _ask(place, "unblock", client=client):
            click.echo(f"{_printable(str(row['client']))}: removed")


def _ask(place: Place, verb: str, **arguments: object) -> Iterator[dict[str, Any]]:
    try:
        yield from ask(place.gate_socket, verb, **arguments)
    except RequestError as error:
        click.echo(f"glass block: {_printable(str(error))}", err=True)
        sys.exit(error.exit_code)


def _until(row: dict[str, Any]) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["until"]))
    return f"until {moment}"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
