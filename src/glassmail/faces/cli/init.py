"""`glass init`: make a new site."""

import json
import os
import secrets
import sys

import click

from glassmail.admin import init as making
from glassmail.admin.adopt import Adoption, adopt
from glassmail.admin.init import InitError, Made, Plan
from glassmail.admin.system_users import SYSTEM_USERS, SystemUser
from glassmail.settings.place import DEFAULT_ROOT, ROOT_VARIABLE, find_root

RANDOM_PASSWORD_BYTES = 12


@click.command("init")
@click.option("--root", metavar="DIR", help=f"Where the site goes: else ${ROOT_VARIABLE}, "
              f"else {DEFAULT_ROOT}.")  # fmt: skip
@click.option("--host", metavar="NAME", help="The server's own name, as in mx.example.com.")
@click.option("--mailbox", "mailboxes", multiple=True, metavar="ADDRESS[=PASSWORD]",
              help="A mailbox to make, with its domain; asks for the password on a terminal, "
              "else makes one up and prints it.")  # fmt: skip
@click.option("--alias", "aliases", multiple=True, metavar="ADDRESS=TARGET",
              help="Mail for ADDRESS goes on to TARGET.")  # fmt: skip
@click.option("--catch-all", "catch_alls", multiple=True, metavar="DOMAIN=TARGET",
              help="Mail for nobody at DOMAIN goes to this address; also `delete`, "
              "`bounce-no-mailbox` or a directory.")  # fmt: skip
@click.option("--domain", "domains", multiple=True, metavar="NAME",
              help="A virtual domain to make, without mailboxes yet.")  # fmt: skip
@click.option("--listen", "listeners", multiple=True, metavar="'SERVICE ADDRESS:PORT'",
              help="Where to listen, as in 'smtp 127.0.0.1:2525'.")  # fmt: skip
@click.option("--from", "source", metavar="DIR", help="Use the files of a qmail site where they "
              "are, as in /var/qmail: control, users, alias, and vpopmail's domains.")  # fmt: skip
@click.option("--one-user", is_flag=True, help="Run everything as the caller; without root always.")
@click.option("--user", "users", multiple=True, metavar="ROLE=USER[:GROUP]",
              help="Run smtpd, queue, remote, keeper, log or alias as this user, which must be "
              "there.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def init(  # noqa: PLR0913, PLR0917 (click hands over one argument per option)
    root: str | None,
    host: str | None,
    mailboxes: tuple[str, ...],
    aliases: tuple[str, ...],
    catch_alls: tuple[str, ...],
    domains: tuple[str, ...],
    listeners: tuple[str, ...],
    source: str | None,
    one_user: bool,
    users: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a new site: directories, settings, users, domains and mailboxes.

    \b
    glass init --root /srv/mail --host mx.example.com --mailbox tammy@example.com

    A site that exists is never changed. As root, those of qmail's system users that are missing
    are made.

    \b
    glass init --root /var/lib/glassmail --from /var/qmail

    That site reads and changes the files of /var/qmail where they are; queue, logs and history
    are its own. What is missing there (control/listen, say) is added and told.
    """  # noqa: D301 (\b keeps click from joining the lines)
    place = find_root(root)
    try:
        making.refuse_existing(place)
        if source is not None:
            if host or mailboxes or aliases or catch_alls or domains:
                raise InitError("--from takes names and mailboxes from the site that is there", 2)
            _adopt(place, source, listeners, _users(users), one_user=one_user, as_json=as_json)
            return
        name = _bytes(host or _ask("The server's own name (as in mx.example.com)", "--host"))
        chosen, invented = _passwords(_ask_mailboxes(mailboxes))
        plan = Plan(
            root=place,
            host=name,
            mailboxes=chosen,
            aliases=[_pair(text, "--alias") for text in aliases],
            catch_alls=[_pair(text, "--catch-all") for text in catch_alls],
            domains=[_bytes(domain) for domain in domains],
            listeners=listeners,
            is_one_user=one_user,
            users=_users(users),
        )
        made = making.make_site(plan)
    except InitError as error:
        click.echo(f"glass init: {error}", err=True)
        raise SystemExit(error.exit_code) from error
    _print(plan, made, invented, as_json=as_json)


def _adopt(
    root: str,
    source: str,
    listeners: tuple[str, ...],
    users: dict[str, SystemUser],
    *,
    one_user: bool,
    as_json: bool,
) -> None:
    plan = Adoption(root, os.path.abspath(source), listeners, one_user, users)
    done = adopt(plan)
    following = f"glass serve --root {root}"
    host = done.host.decode("utf-8", "replace")
    if as_json:
        record = {
            "root": root,
            "host": host,
            "links": dict(done.links),
            "added": list(done.added),
            "users_made": list(done.users),
            "remarks": list(done.remarks),
            "next": following,
        }
        click.echo(json.dumps(record))
        return
    click.echo(f"{root}: the site of {host}, with the files of {plan.source}")
    for name, target in done.links:
        click.echo(f"linked {name} to {target}")
    for path in done.added:
        click.echo(f"added {path}")
    for sentence in done.users:
        click.echo(f"made {sentence}")
    for remark in done.remarks:
        click.echo(f"note: {remark}")
    click.echo(f"\nStop qmail, then start it:\n    {following}")


def _ask(question: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise InitError(f"{option} is missing", 2)
    answer: str = click.prompt(question)
    return answer


def _ask_mailboxes(mailboxes: tuple[str, ...]) -> tuple[str, ...]:
    if mailboxes or not sys.stdin.isatty():
        return mailboxes
    answer: str = click.prompt("Address of the first mailbox (empty for none)", default="",
                               show_default=False)  # fmt: skip
    return (answer,) if answer else ()


def _passwords(
    mailboxes: tuple[str, ...],
) -> tuple[list[tuple[bytes, bytes]], dict[str, str]]:
    """Part addresses and passwords; ask for those missing, or make them up."""
    chosen = []
    invented = {}
    for text in mailboxes:
        address, equals, password = text.partition("=")
        if not equals and sys.stdin.isatty():
            password = click.prompt(
                f"Password of {address}", hide_input=True, confirmation_prompt=True
            )
        elif not equals:
            password = invented[address] = secrets.token_urlsafe(RANDOM_PASSWORD_BYTES)
        chosen.append((_bytes(address), password.encode("utf-8", "surrogateescape")))
    return chosen, invented


def _pair(text: str, option: str) -> tuple[bytes, bytes]:
    left, equals, right = text.partition("=")
    if not equals or not left or not right:
        raise InitError(f"{option} {text}: write both sides of a `=`", 2)
    return _bytes(left), right.encode("utf-8", "surrogateescape")


def _users(texts: tuple[str, ...]) -> dict[str, SystemUser]:
    users = dict(SYSTEM_USERS)
    for text in texts:
        role, _equals, names = text.partition("=")
        user, _colon, group = names.partition(":")
        if role not in users or role == "local" or not user:
            known = ", ".join(name for name in users if name != "local")
            raise InitError(f"--user {text}: write ROLE=USER, with a ROLE of {known}", 2)
        users[role] = SystemUser(user, group or users[role].group)
    return users


def _bytes(text: str) -> bytes:
    return text.strip().lower().encode("utf-8", "surrogateescape")


def _records(plan: Plan, made: Made) -> list[str]:
    host = plan.host.decode("utf-8", "replace")
    lines = [f"{host}. A  <this server's address, and AAAA if it has one>"]
    for name in made.domains:
        domain = name.decode("utf-8", "replace")
        lines.append(f"{domain}. MX  10 {host}.")
        lines.append(f'{domain}. TXT "v=spf1 mx -all"')
    lines.append(f"<reverse name of this server's address> PTR {host}.")
    return lines


def _print(plan: Plan, made: Made, invented: dict[str, str], *, as_json: bool) -> None:
    following = f"glass serve --root {plan.root}"
    if as_json:
        record = {
            "root": plan.root,
            "host": plan.host.decode("utf-8", "replace"),
            "domains": [domain.decode("utf-8", "replace") for domain in made.domains],
            "users_made": list(made.users),
            "passwords": invented,
            "dns": _records(plan, made),
            "next": following,
        }
        click.echo(json.dumps(record))
        return
    click.echo(f"{plan.root}: the site of {plan.host.decode('utf-8', 'replace')} is made")
    for sentence in made.users:
        click.echo(f"made {sentence}")
    if not plan.listeners:
        chosen = making.checked_listeners((), is_one_user=plan.is_one_user)
        click.echo(f"it will listen at (control/listen): {', '.join(chosen)}")
    for address, password in invented.items():
        click.echo(f"password of {address}: {password}")
    click.echo("\nPublish these DNS records:")
    for line in _records(plan, made):
        click.echo(f"    {line}")
    click.echo(f"\nThen start it:\n    {following}")
