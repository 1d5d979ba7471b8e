"""`glass alias`: addresses that lead elsewhere, a `.qmail-NAME` file each."""

import json

import click

from glassmail.admin import account_rules, aliases
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.faces.cli import account_completion as completion
from glassmail.faces.cli import account_output as output
from glassmail.faces.cli.account_output import json_option, refusals
from glassmail.faces.cli.root_option import root_option
from glassmail.store.account_writer import Domain

HEADINGS = ("alias", "goes to")
_address = click.argument("address", shell_complete=completion.alias_names)
_lines = click.argument(
    "lines", nargs=-1, required=True, metavar="TARGET...", shell_complete=completion.all_addresses
)


@click.group()
def alias() -> None:
    """Add, show, change and remove aliases and forwards.

    TARGET is an address, or any line of a dot-qmail file: '|program', './Maildir/'.
    """


@alias.command("list")
@root_option
@json_option
@click.argument("domains", nargs=-1, shell_complete=completion.domains)
def list_(root: str | None, domains: tuple[str, ...], *, as_json: bool) -> None:
    """List the aliases of DOMAINS, of all virtual domains without any."""
    with refusals("alias list"):
        site = output.site_at(root)
        names = [output.data_of(name).lower() for name in domains]
        names = names or [entry.domain for entry in site.entries() if not entry.is_alias]
        rows = [
            {"alias": output.shown(found.name + b"@" + name), "goes_to": _shown(found.lines)}
            for name in names
            for found in aliases.listed(aliases.place_of(site, name))
        ]
    output.print_rows(rows, HEADINGS, as_json=as_json, none="no aliases")


@alias.command()
@root_option
@json_option
@_address
def show(root: str | None, address: str, *, as_json: bool) -> None:
    """Show where an alias goes, a line each."""
    with refusals("alias show"):
        _site, domain, name = _parts(root, address)
        lines = aliases.find(domain, name)
        if not lines:
            raise AccountError(f"{address}: there is no such alias")
    if as_json:
        click.echo(json.dumps({"alias": address, "goes_to": _shown(lines)}))
        return
    for line in _shown(lines):
        click.echo(line)


@alias.command()
@root_option
@json_option
@click.argument("address", shell_complete=completion.aliases_and_new)
@_lines
def add(root: str | None, address: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """Let ADDRESS go to each TARGET, besides where it goes already."""
    changes = Changes()
    with refusals("alias add"):
        site, domain, name = _parts(root, address)
        aliases.add_lines(site, changes, domain, name, _checked(lines))
    output.report(changes, root, as_json=as_json)


@alias.command("set")
@root_option
@json_option
@_address
@_lines
def set_(root: str | None, address: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """Let ADDRESS go to these TARGETs alone."""
    changes = Changes()
    with refusals("alias set"):
        site, domain, name = _parts(root, address)
        aliases.replace_lines(site, changes, domain, name, _checked(lines))
    output.report(changes, root, as_json=as_json)


@alias.command()
@root_option
@json_option
@_address
@click.argument("lines", nargs=-1, metavar="[TARGET]...")
def remove(root: str | None, address: str, lines: tuple[str, ...], *, as_json: bool) -> None:
    """Remove an alias, or some of its targets."""
    changes = Changes()
    with refusals("alias remove"):
        site, domain, name = _parts(root, address)
        aliases.remove(site, changes, domain, name, [output.data_of(line) for line in lines])
    output.report(changes, root, as_json=as_json)


def _parts(root: str | None, address: str) -> tuple[Site, Domain, bytes]:
    local, at, domain = output.data_of(address).lower().rpartition(b"@")
    if not at:
        raise AccountError(f"{address}: write the alias with its domain, sales@example.com")
    site = output.site_at(root)
    return site, aliases.place_of(site, domain), account_rules.check_name(local)


def _checked(lines: tuple[str, ...]) -> list[bytes]:
    """Take lines of a dot-qmail file as they are; anything else must be an address."""
    checked = []
    for line in map(output.data_of, lines):
        is_line = line[:1] in (b"|", b"/", b".", b"&", b"#")
        checked.append(line if is_line else account_rules.forward_line(line).rstrip(b"\n"))
    return checked


def _shown(lines: tuple[bytes, ...]) -> list[str]:
    return [output.shown(line) for line in lines]
