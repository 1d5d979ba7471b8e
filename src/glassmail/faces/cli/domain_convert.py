"""`glass domain convert`: move a domain's accounts into a data base, or back into vpasswd."""

import click

from glassmail.admin import convert as converting
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.faces.cli import account_completion as completion
from glassmail.faces.cli.account_output import (
    data_of,
    json_option,
    refusals,
    report,
    shown,
    site_at,
)
from glassmail.faces.cli.root_option import root_option
from glassmail.store.account_writer import Domain

WAYS = (converting.DATABASE, converting.FILES)


@click.command("convert")
@click.argument("domains", metavar="DOMAIN...", nargs=-1, shell_complete=completion.domains)
@click.option(
    "--to", "where", required=True, type=click.Choice(WAYS),
    help="the data base that control/accountsdb names, or vpopmail's files",
)  # fmt: skip
@click.option("--all", "is_all", is_flag=True, help="every domain that is not there yet")
@root_option
@json_option
def convert(
    domains: tuple[str, ...], where: str, root: str | None, *, is_all: bool, as_json: bool
) -> None:
    """Move the accounts of domains into a data base, or back into vpasswd.

    The server may run: at each moment one of the two counts. Mail, aliases and limits stay where
    they are. vpopmail's own programs do not see accounts that are in a data base.
    """
    if is_all == bool(domains):
        raise click.UsageError("name domains, or say --all")
    with refusals("domain convert"):
        site = site_at(root)
        names = _names(site, where) if is_all else [data_of(name) for name in domains]
        change = converting.to_database if where == converting.DATABASE else converting.to_files
        for name in names:
            changes = Changes()
            change(site, changes, name)
            report(changes, root, as_json=as_json, domain=shown(name))


def _names(site: Site, where: str) -> list[bytes]:
    entries = [entry for entry in site.entries() if not entry.is_alias]
    found = []
    for entry in entries:
        domain = Domain(entry.real, site.actual(entry.directory), entry.ids)
        if converting.place_of(domain) != where:
            found.append(entry.real)
    return found
