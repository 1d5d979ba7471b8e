"""`glass domain`: virtual domains, their alias domains, limits and mail for nobody."""

import dataclasses
import sys

import click

from glassmail.admin import (
    account_rules,
    aliases,
    domain_report,
    limits_files,
    mailboxes,
    virtual_domains,
)
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.admin.virtual_domains import NewDomain
from glassmail.core.formats import domain_limits, quota
from glassmail.core.formats.domain_limits import SERVICES, Limits
from glassmail.core.formats.quota import QuotaError
from glassmail.faces.cli import account_completion as completion
from glassmail.faces.cli import account_output as output
from glassmail.faces.cli.account_output import json_option, refusals
from glassmail.faces.cli.domain_convert import convert
from glassmail.faces.cli.root_option import root_option
from glassmail.store.account_writer import Domain

HEADINGS = ("domain", "alias of", "mailboxes", "mail for nobody")
NUMBERS = tuple(name for name in domain_limits.NAMES if name != "disabled")
_MEGABYTE = 1 << 20
_numbers = completion.words([f"{name}=" for name in NUMBERS])
_services = completion.words([word.decode().removeprefix("disable_") for word in SERVICES])
_name = click.argument("name", shell_complete=completion.domains)


@click.group()
def domain() -> None:
    """Add, show, change and remove virtual domains."""


@domain.command("list")
@root_option
@json_option
def list_(root: str | None, *, as_json: bool) -> None:
    """List the virtual domains."""
    with refusals("domain list"):
        site = output.site_at(root)
        entries = sorted(site.entries(), key=lambda e: (e.real, e.is_alias, e.domain))
        rows = [domain_report.summary(site, e.domain, e.real) for e in entries]
    output.print_rows(rows, HEADINGS, as_json=as_json, none="no virtual domains")


@domain.command()
@root_option
@json_option
@_name
def show(root: str | None, name: str, *, as_json: bool) -> None:
    """Show a domain: its line in each file, limits, what is amiss (then exit status 1)."""
    with refusals("domain show"):
        row = domain_report.details(output.site_at(root), output.data_of(name).lower())
    output.print_fields(row, as_json=as_json)
    sys.exit(1 if row["problems"] else 0)


@domain.command()
@root_option
@json_option
@click.argument("name")
@click.option("--alias-of", metavar="DOMAIN", shell_complete=completion.domains,
              help="Give it the mailboxes of this domain.")  # fmt: skip
@click.option("--catch-all", default="bounce-no-mailbox", show_default=True, metavar="WHAT",
              shell_complete=completion.catch_alls,
              help="Mail for nobody: an address, `delete`, `bounce-no-mailbox` or a directory.",
              )  # fmt: skip
@click.option("--postmaster", metavar="ADDRESS", shell_complete=completion.mailboxes,
              help="Who gets the mail for postmaster@ and abuse@.")  # fmt: skip
@click.option("--from", "source", metavar="DIR", shell_complete=completion.directories,
              help="Bring back a removed domain.")  # fmt: skip
def add(  # noqa: PLR0913, PLR0917 (click hands over one argument per option)
    root: str | None,
    name: str,
    alias_of: str | None,
    catch_all: str,
    postmaster: str | None,
    source: str | None,
    as_json: bool,
) -> None:
    """Make a virtual domain, or with --alias-of another name for one."""
    changes = Changes()
    new = output.data_of(name)
    with refusals("domain add"):
        site = output.site_at(root)
        if alias_of is not None:
            virtual_domains.add_alias(site, changes, new, output.data_of(alias_of))
        else:
            target = output.data_of(postmaster) if postmaster else b""
            if target:
                account_rules.forward_line(target)  # refuses what is no address
            made = virtual_domains.add(
                site, changes, NewDomain(new, output.data_of(catch_all), source=source or "")
            )
            undo = changes.undo.copy()  # the aliases go with the domain
            for alias in (b"postmaster", b"abuse") if target else ():
                aliases.add_lines(site, changes, made, alias, [target])
            changes.undo = undo
            if not target and not source and "@" not in catch_all:
                shown = output.shown(made.name)
                changes.note(f"nobody gets the mail for postmaster@{shown} (RFC 5321): "
                             f"glass alias add postmaster@{shown} ADDRESS")  # fmt: skip
    output.report(changes, root, as_json=as_json)


@domain.command("set")
@root_option
@json_option
@_name
@click.option("--catch-all", metavar="WHAT", shell_complete=completion.catch_alls,
              help="Mail for nobody: an address, `delete`, `bounce-no-mailbox` or a directory.",
              )  # fmt: skip
@click.option("--default-line", metavar="LINE", help="The whole line of .qmail-default instead.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=NUMBER", shell_complete=_numbers,
              help=f"One of {', '.join(NUMBERS[:9])} and the perm_ rights; -1: no limit.",
              )  # fmt: skip
@click.option("--off", multiple=True, metavar="SERVICE", shell_complete=_services,
              help="Switch off for all mailboxes: pop, imap, smtp, webmail, external_relay, "
              "password_changing, dialup, spamassassin, maildrop.")  # fmt: skip
@click.option("--on", multiple=True, metavar="SERVICE", shell_complete=_services,
              help="Switch on again.")  # fmt: skip
@click.option("--default-limits", is_flag=True, help="Remove the domain's own limits.")
def set_(  # noqa: PLR0913, PLR0917 (click hands over one argument per option)
    root: str | None,
    name: str,
    catch_all: str | None,
    default_line: str | None,
    limits: tuple[str, ...],
    off: tuple[str, ...],
    on: tuple[str, ...],
    default_limits: bool,
    as_json: bool,
) -> None:
    """Change mail for nobody and the limits of a domain."""
    changes = Changes()
    with refusals("domain set"):
        site = output.site_at(root)
        found = site.domain(output.data_of(name))
        _limits(Limits(), limits, off, on)  # refuses words that are none
        line = _default_line(site, catch_all, default_line)
        if line:
            aliases.set_catch_all(changes, found, line)
        if default_limits:
            limits_files.remove(site, changes, found)
        elif limits or off or on:
            limits_files.change(site, changes, found, lambda now: _limits(now, limits, off, on))
    output.report(changes, root, as_json=as_json)


@domain.command()
@root_option
@json_option
@_name
@click.option("--purge", is_flag=True, help="Delete the mail instead of moving it aside.")
@click.option("--with-aliases", is_flag=True, help="Remove its alias domains, too.")
def remove(
    root: str | None, name: str, *, purge: bool, with_aliases: bool, as_json: bool
) -> None:
    """Remove a domain; its mail is moved to .removed beside its directory."""
    changes = Changes()
    with refusals("domain remove"):
        site = output.site_at(root)
        wanted = output.data_of(name).lower()
        own = virtual_domains.aliases_of(site, wanted)
        if own and not with_aliases:
            names = ", ".join(output.shown(alias) for alias in own)
            raise AccountError(f"{name} has alias domains: {names}; remove them, or --with-aliases")
        virtual_domains.remove(site, changes, wanted, purge=purge)
    output.report(changes, root, as_json=as_json)


@domain.command("quota")
@root_option
@json_option
@_name
@click.argument("size", required=False)
@click.option("--each", metavar="SIZE", help="The quota of every mailbox that it has.")
@click.option("--new", metavar="SIZE", help="The quota of mailboxes that are made later.")
def quota_(
    root: str | None, name: str, size: str | None, each: str | None, new: str | None, *,
    as_json: bool,
) -> None:
    """Show or set how much a domain may hold: SIZE for all its mailboxes together."""
    changes = Changes()
    with refusals("domain quota"):
        site = output.site_at(root)
        found = site.domain(output.data_of(name))
        if size is None and each is None and new is None:
            row = _quota_row(found, limits_files.read(site, found))
            output.print_fields(row, as_json=as_json)
            return
        wanted: dict[str, int] = {}
        if size is not None:
            wanted["quota"] = -(-_bytes_of(size) // _MEGABYTE)
        if new is not None:
            wanted["default_quota"] = _bytes_of(new)
        limit = account_rules.check_quota(output.data_of(each)) if each is not None else b""
        if wanted:
            limits_files.change(
                site, changes, found,
                lambda now: dataclasses.replace(now, **wanted),  # type: ignore[arg-type]
            )  # fmt: skip
        if limit:
            mailboxes.change(site, changes, found, None, lambda a: a._replace(quota=limit))
    output.report(changes, root, as_json=as_json)


def _quota_row(found: Domain, limits: Limits) -> dict[str, object]:
    return {
        "domain": output.shown(found.name),
        "quota": f"{limits.quota} MB" if limits.quota else "none",
        "quota_of_new_mailboxes": f"{limits.default_quota} bytes" if limits.default_quota else
        "none",
    }  # fmt: skip


def _default_line(site: Site, catch_all: str | None, line: str | None) -> bytes:
    if line is not None:
        return account_rules.check_alias_line(output.data_of(line)) + b"\n"
    if catch_all is None:
        return b""
    program = virtual_domains.program_of(site)
    return account_rules.catch_all_line(output.data_of(catch_all), program)


def _limits(
    limits: Limits, wanted: tuple[str, ...], off: tuple[str, ...], on: tuple[str, ...]
) -> Limits:
    numbers: dict[str, int] = {}
    disabled = limits.disabled
    for text in wanted:
        name, _equals, value = text.partition("=")
        digits = value.removeprefix("-")
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 18
        if name == "disabled" and is_number:
            disabled = domain_limits.flags_of(int(value))
        elif name in NUMBERS and is_number:
            numbers[name] = int(value)
        else:
            raise click.UsageError(f"--limit {text}: write NAME=NUMBER, of {', '.join(NUMBERS)}")
    for service in off:
        disabled |= _service(service)
    for service in on:
        disabled &= ~_service(service)
    changed = dataclasses.replace(limits, **numbers)  # type: ignore[arg-type]
    return dataclasses.replace(changed, disabled=disabled)


def _service(name: str) -> domain_limits.Flag:
    for word in (f"disable_{name}", name):
        flag = SERVICES.get(word.encode("ascii", "replace"))
        if flag is not None:
            return flag
    known = ", ".join(word.decode().removeprefix("disable_") for word in SERVICES)
    raise click.UsageError(f"{name}: no such service; there are {known}")


def _bytes_of(size: str) -> int:
    try:
        return quota.parse(output.data_of(size)).bytes_most
    except QuotaError as error:
        raise AccountError(str(error)) from error


domain.add_command(convert)
