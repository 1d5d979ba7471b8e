"""`glass tap`: what is being said in sessions of chosen clients or recipients, live."""

import json
import sys
import time
from typing import Any

import click

from glassmail.admin.requests import RequestError, follow
from glassmail.faces.cli.block import seconds_of
from glassmail.faces.cli.root_option import root_option
from glassmail.settings.place import Place, find_root


@click.command()
@click.argument("who", metavar="CLIENT|RECIPIENT")
@click.option("--for", "seconds", callback=seconds_of, default="10m", help="how long (10m)")
@click.option("--bodies", is_flag=True, help="show messages, too")
@click.option("--passwords", is_flag=True, help="show what AUTH sends, too")
@root_option
@click.option("--json", "as_json", is_flag=True, help="one JSON object a line")
def tap(
    root: str | None, who: str, seconds: int, *, bodies: bool, passwords: bool, as_json: bool
) -> None:
    """Show SMTP sessions while they run.

    CLIENT is an address or a network; RECIPIENT is user@domain or @domain: then sessions that
    name it in RCPT are shown, from their beginning. `<` is the client, `>` this server. Inside
    TLS, too. Ends by itself after 10 minutes, or with Ctrl-C.
    """
    place = Place(find_root(root))
    arguments: dict[str, Any] = {
        "who": who, "seconds": seconds, "bodies": bodies, "secrets": passwords
    }  # fmt: skip
    try:
        for row in follow(place.gate_socket, "tap", seconds + 30.0, **arguments):
            click.echo(json.dumps(row) if as_json else _text(row))
    except RequestError as error:
        click.echo(f"glass tap: {_printable(str(error))}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(0)


def _text(row: dict[str, Any]) -> str:
    if row.get("event") == "begun":
        return f"watching {_printable(row['who'])} for {row['seconds']} s"
    if row.get("event") == "ended":
        return f"ended: {row['why']}"
    clock = time.strftime("%H:%M:%S", time.localtime(row["at"] // 1_000_000_000))
    millis = row["at"] // 1_000_000 % 1_000
    front = f"{clock}.{millis:03} {row['session']} {row['client']}"
    return f"{front} {row['side']} {_printable(row['text'])}".rstrip()


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
