"""`glass user`: mailboxes of virtual domains, their passwords, quotas and rights."""

import secrets
import sys
from typing import Any

import click

from glassmail.admin import account_report, account_rules, mailboxes
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.mailboxes import NewMailbox
from glassmail.admin.site import Site
from glassmail.core.formats.vpasswd import Account
from glassmail.faces.cli import account_completion as completion
from glassmail.faces.cli import account_output as output
from glassmail.faces.cli.account_output import json_option, refusals
from glassmail.faces.cli.root_option import root_option
from glassmail.store.account_writer import Domain

HEADINGS = ("address", "quota", "used", "full", "last login", "rights")
RANDOM_PASSWORD_BYTES = 12
_FOR_PROGRAMS = ("bytes", "messages")
_address = click.argument("address", shell_complete=completion.mailboxes)
_password = click.option("--password", metavar="TEXT", help="The password; better ask for it.")
_rights = completion.words(account_report.RIGHTS)
_powers = completion.words(account_report.POWERS)
_stdin = click.option("--stdin", is_flag=True, help="Read the password from the standard input.")


@click.group()
def user() -> None:
    """Add, show, change and remove mailboxes."""


@user.command("list")
@root_option
@json_option
@click.argument("domains", nargs=-1, shell_complete=completion.domains)
def list_(root: str | None, domains: tuple[str, ...], *, as_json: bool) -> None:
    """List the mailboxes of DOMAINS, of all domains without any."""
    with refusals("user list"):
        site = output.site_at(root)
        names = [output.data_of(name).lower() for name in domains]
        names = names or [entry.domain for entry in site.entries() if not entry.is_alias]
        rows, problems = [], []
        for name in names:
            found = account_report.rows(site, site.domain(name))
            rows += found.rows
            problems += found.problems
    rows = _for(rows, as_json=as_json)
    output.print_rows(rows, HEADINGS, as_json=as_json, none="no mailboxes")
    for problem in problems:
        click.echo(f"glass user list: {problem}", err=True)
    sys.exit(1 if problems else 0)


@user.command()
@root_option
@json_option
@_address
def show(root: str | None, address: str, *, as_json: bool) -> None:
    """Show a mailbox: quota and what of it is used, rights, last login, instructions."""
    with refusals("user show"):
        site, domain, name = _parts(root, address)
        account = mailboxes.find(site, domain, name)
        row = account_report.details(site, domain, account)
    output.print_fields(_for([row], as_json=as_json)[0], as_json=as_json)


@user.command()
@root_option
@json_option
@click.argument("address", shell_complete=completion.new_addresses)
@_password
@_stdin
@click.option("--quota", "size", metavar="SIZE", help="10M, 1000000, 1000C, 10M,1000C or NOQUOTA.")
@click.option("--comment", metavar="TEXT", help="The owner's name.")
@click.option("--from", "source", metavar="DIR", shell_complete=completion.directories,
              help="Bring back a removed mailbox.")  # fmt: skip
def add(  # noqa: PLR0913, PLR0917 (click hands over one argument per option)
    root: str | None,
    address: str,
    password: str | None,
    stdin: bool,
    size: str | None,
    comment: str | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Make a mailbox.

    Asks for the password on a terminal; else makes one up, and prints it.
    """
    changes = Changes()
    made_up = ""
    with refusals("user add"):
        local, domain = account_rules.parts_of(output.data_of(address))
        site = output.site_at(root)
        site.domain(domain)  # refused before anybody is asked for a password
        chosen = b""
        if source is None:
            chosen, made_up = _choose(address, password, from_stdin=stdin)
        new = NewMailbox(
            local,
            chosen,
            output.data_of(size or ""),
            output.data_of(comment or ""),
            mailboxes.LOCKED if source is not None else b"",
            source or "",
        )
        [made] = mailboxes.add(site, changes, domain, [new])
        if made.crypted == mailboxes.LOCKED:
            changes.note(f"it has no password yet: glass user password {address}")
    output.report(changes, root, as_json=as_json, **({"password": made_up} if made_up else {}))


@user.command("set")
@root_option
@json_option
@_address
@click.option("--quota", "size", metavar="SIZE", help="10M, 1000000, 1000C, 10M,1000C or NOQUOTA.")
@click.option("--comment", metavar="TEXT", help="The owner's name.")
@click.option("--deny", multiple=True, metavar="RIGHT", shell_complete=_rights,
              help=f"Take a right away: {', '.join(account_report.RIGHTS)}.")  # fmt: skip
@click.option("--allow", multiple=True, metavar="RIGHT", shell_complete=_rights,
              help="Give a right back.")  # fmt: skip
@click.option("--grant", multiple=True, metavar="POWER", shell_complete=_powers,
              help=f"Give a power: {', '.join(account_report.POWERS)}.")  # fmt: skip
@click.option("--revoke", multiple=True, metavar="POWER", shell_complete=_powers,
              help="Take a power away.")  # fmt: skip
@click.option("--flags", metavar="NUMBER", help="All of these at once, as vpasswd holds them.")
@click.option("--crypted", metavar="HASH", help="A password's hash that was made elsewhere.")
@click.option("--dir", "directory", metavar="DIR", help="Where the mailbox is.")
def set_(  # noqa: PLR0913, PLR0917 (click hands over one argument per option)
    root: str | None,
    address: str,
    size: str | None,
    comment: str | None,
    deny: tuple[str, ...],
    allow: tuple[str, ...],
    grant: tuple[str, ...],
    revoke: tuple[str, ...],
    flags: str | None,
    crypted: str | None,
    directory: str | None,
    as_json: bool,
) -> None:
    """Change a mailbox."""
    given = {"quota": size, "gecos": comment, "crypted": crypted, "directory": directory}
    changes = Changes()
    with refusals("user set"):
        site, domain, name = _parts(root, address)
        wanted = _checked(name, given)
        on = account_report.flags_named((*deny, *grant))
        off = account_report.flags_named((*allow, *revoke))
        base = None if flags is None else account_report.number(flags)

        def alter(account: Account) -> Account:
            number = (account.flags if base is None else base) & ~off | on
            if "crypted" in wanted:
                account = account._replace(clear=b"")  # it is another password's
            return account._replace(flags=number, **wanted)

        mailboxes.change(site, changes, domain, [name], alter)
    output.report(changes, root, as_json=as_json)


@user.command()
@root_option
@json_option
@_address
@click.option("--purge", is_flag=True, help="Delete the mail instead of moving it aside.")
def remove(root: str | None, address: str, *, purge: bool, as_json: bool) -> None:
    """Remove a mailbox; its mail is moved to .removed in the domain's directory."""
    changes = Changes()
    with refusals("user remove"):
        site, domain, name = _parts(root, address)
        mailboxes.remove(site, changes, domain, name, purge=purge)
    output.report(changes, root, as_json=as_json)


@user.command("password")
@root_option
@json_option
@_address
@_password
@_stdin
def password_(
    root: str | None, address: str, password: str | None, *, stdin: bool, as_json: bool
) -> None:
    """Change a mailbox's password.

    Asks for it on a terminal; else makes one up, and prints it.
    """
    changes = Changes()
    with refusals("user password"):
        site, domain, name = _parts(root, address)
        mailboxes.find(site, domain, name)
        chosen, made_up = _choose(address, password, from_stdin=stdin)
        mailboxes.set_password(site, changes, domain, name, chosen)
    output.report(changes, root, as_json=as_json, **({"password": made_up} if made_up else {}))


@user.command("quota")
@root_option
@json_option
@_address
@click.argument("size", required=False)
def quota_(root: str | None, address: str, size: str | None, *, as_json: bool) -> None:
    """Show or set how much a mailbox may hold: 10M, 1000C, 10M,1000C or NOQUOTA."""
    changes = Changes()
    with refusals("user quota"):
        site, domain, name = _parts(root, address)
        if size is None:
            account = mailboxes.find(site, domain, name)
            row = account_report.row(site, domain, account)
            row = {key: row[key] for key in (*HEADINGS[:4], *_FOR_PROGRAMS)}
            output.print_fields(_for([row], as_json=as_json)[0], as_json=as_json)
            return
        limit = account_rules.check_quota(output.data_of(size))
        mailboxes.change(site, changes, domain, [name], lambda a: a._replace(quota=limit))
    output.report(changes, root, as_json=as_json)


def _for(rows: list[dict[str, Any]], *, as_json: bool) -> list[dict[str, Any]]:
    """Say quotas and sizes in words for people; programs get vpasswd's text, and numbers."""
    if as_json:
        return rows
    told = [{key: row[key] for key in row if key not in _FOR_PROGRAMS} for row in rows]
    return [{**row, "quota": account_report.quota_words(row["quota"])} for row in told]


def _parts(root: str | None, address: str) -> tuple[Site, Domain, bytes]:
    local, at, domain = output.data_of(address).lower().rpartition(b"@")
    if not at:
        raise AccountError(f"{address}: write the mailbox with its domain, tammy@example.com")
    site = output.site_at(root)
    return site, site.domain(domain), local


def _checked(name: bytes, given: dict[str, str | None]) -> dict[str, bytes]:
    wanted = {key: output.data_of(value) for key, value in given.items() if value is not None}
    if "quota" in wanted:
        wanted["quota"] = account_rules.check_quota(wanted["quota"])
    if "gecos" in wanted:
        account_rules.check_gecos(name, wanted["gecos"])
    if "crypted" in wanted:
        account_rules.check_crypted(wanted["crypted"])
    if "directory" in wanted:
        account_rules.check_directory(wanted["directory"])
    return wanted


def _choose(address: str, password: str | None, *, from_stdin: bool) -> tuple[bytes, str]:
    """Return the password, and the same as text when it was made up here."""
    if password is not None:
        return output.data_of(password), ""
    if from_stdin:
        return output.data_of(sys.stdin.readline().rstrip("\r\n")), ""
    if sys.stdin.isatty():
        asked: str = click.prompt(
            f"Password of {address}", hide_input=True, confirmation_prompt=True
        )
        return output.data_of(asked), ""
    made_up = secrets.token_urlsafe(RANDOM_PASSWORD_BYTES)
    return made_up.encode("ascii"), made_up
