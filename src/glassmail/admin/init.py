"""Make a new site: directories, settings, users, domains and mailboxes, whole or not at all.

Purpose:
    `glass init` hands in a Plan. Everything is written into a directory beside ROOT and renamed
    to ROOT at the end, so that a killed run leaves no half-made site behind.

Always:
    - A site that exists is never touched (SiteExistsError).
    - New sites get safe settings: rcpthosts is there, unknown recipients are refused at RCPT,
      relaying is for the loopback addresses alone.
    - Users that are missing are made before anything else; they stay if a later step fails.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from glassmail.admin import accounts, certificate, domain_files, reach, site_layout, system_users
from glassmail.admin.accounts import AccountError, NewMailbox, Site
from glassmail.admin.system_users import SYSTEM_USERS, Ids, SystemUser
from glassmail.core.formats import daemons, listen
from glassmail.core.model.address import split_address
from glassmail.core.model.system_errors import words_of
from glassmail.settings.place import Place
from glassmail.store import edit

ROOT_LISTENERS = ("smtp 0.0.0.0:25", "submission 0.0.0.0:587", "submissions 0.0.0.0:465")
USER_LISTENERS = ("smtp 127.0.0.1:2525", "submission 127.0.0.1:2587", "submissions 127.0.0.1:2465")
DEFAULT_DELIVERY = b"./Maildir/\n"
TCP_RULES = b'127.:allow,RELAYCLIENT=""\n::1:allow,RELAYCLIENT=""\n:allow\n'
REQUIRED_ALIASES = (b"postmaster", b"mailer-daemon", b"root", b"abuse")  # RFC 2142, qmail's INSTALL
DOMAIN_ALIASES = (b"postmaster", b"abuse")


class InitError(Exception):
    """The site cannot be made; the text says why and what to do. `exit_code` is the command's."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class SiteExistsError(InitError):
    """There is a site, or something else, at ROOT already."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the new site shall be.

    Attributes:
        root: ROOT, absolute.
        host: the server's own name, control/me.
        mailboxes: (address, password); their domains are made.
        aliases: (address, target).
        catch_alls: (domain, argument of vdelivermail).
        domains: further domains without mailboxes.
        listeners: lines of control/listen; empty for the default ones.
        is_one_user: everything as the caller.
        users: role -> user and group of a site that root makes.
    """

    root: str
    host: bytes
    mailboxes: Sequence[tuple[bytes, bytes]]
    aliases: Sequence[tuple[bytes, bytes]] = ()
    catch_alls: Sequence[tuple[bytes, bytes]] = ()
    domains: Sequence[bytes] = ()
    listeners: Sequence[str] = ()
    is_one_user: bool = False
    users: dict[str, SystemUser] = field(default_factory=lambda: dict(SYSTEM_USERS))


@dataclass(frozen=True, slots=True)
class Made:
    """What was made: the site's domains in order, and the users added to the system."""

    domains: tuple[bytes, ...]
    users: tuple[str, ...]


def make_site(plan: Plan) -> Made:
    """Make the site of a plan.

    Raises:
        InitError: when it cannot be made; exit_code 1, or 111 for a closed directory.
    """
    refuse_existing(plan.root)
    domains = _check(plan)
    try:
        ids, users = find_users(plan.root, plan.users, is_one_user=plan.is_one_user)
        check_reach(plan.root, ids, is_one_user=plan.is_one_user)
        site_layout.build(plan.root, lambda staging: _fill(plan, staging, ids, domains))
    except (AccountError, edit.EditError, system_users.UsersError) as error:
        raise InitError(str(error)) from error
    except OSError as error:
        hint = ": choose a directory of yours by --root" * isinstance(error, PermissionError)
        raise InitError(f"{error.filename or plan.root}: {words_of(error)}{hint}") from error
    return Made(domains, users)


def refuse_existing(root: str) -> None:
    """Raise SiteExistsError unless there is nothing, or an empty directory, at ROOT."""
    try:
        names = os.listdir(root)
    except FileNotFoundError:
        return
    except OSError as error:
        raise SiteExistsError(f"{root}: {words_of(error)}: choose another directory") from error
    if "control" in names:
        raise SiteExistsError(
            f"{root} holds a site already; nothing was changed. Choose another directory, or "
            "change this one: edit the files in control/ (`glass settings list` tells which), use "
            "`glass domain`, `glass user` and `glass alias`"
        )
    if names and names != ["lost+found"]:
        raise SiteExistsError(f"{root} is not empty and no site: choose an empty or new directory")


def _check(plan: Plan) -> tuple[bytes, ...]:
    """Refuse what cannot be made, before anything is; return the virtual domains in order."""
    try:
        accounts.check_domain(plan.host)
        _listeners(plan)
        named = [_parts(address)[1] for address, _password in plan.mailboxes]
        named += [domain for domain, _argument in plan.catch_alls]
        named += [*plan.domains]
        named += [_parts(address)[1] for address, _target in plan.aliases]
        domains = dict.fromkeys(accounts.check_domain(domain) for domain in named)
    except AccountError as error:
        raise InitError(str(error), 2) from error
    if not any(plan.host == _parts(address)[1] for address, _ in plan.mailboxes):
        domains.pop(plan.host, None)  # an alias at the host itself stands in alias/
    return tuple(domains)


def _parts(address: bytes) -> tuple[bytes, bytes]:
    local, domain = split_address(address.lower())
    if not domain:
        shown = address.decode("utf-8", "backslashreplace")
        raise AccountError(f"{shown}: write an address with its domain")
    return accounts.check_name(local), domain


def _listeners(plan: Plan) -> tuple[str, ...]:
    return checked_listeners(plan.listeners, is_one_user=plan.is_one_user)


def checked_listeners(chosen: Sequence[str], *, is_one_user: bool) -> tuple[str, ...]:
    """Return the lines for control/listen, the default ones without a choice; raises InitError."""
    if not chosen:
        return ROOT_LISTENERS if os.geteuid() == 0 and not is_one_user else USER_LISTENERS
    try:
        listen.parse("\n".join(chosen).encode("utf-8"), "--listen")
    except listen.ListenError as error:
        raise InitError(str(error), 2) from error
    return tuple(chosen)


def find_users(
    root: str, users: Mapping[str, SystemUser], *, is_one_user: bool
) -> tuple[Ids, tuple[str, ...]]:
    """Return role -> (uid, gid), and what had to be made; raises UsersError."""
    if is_one_user or os.geteuid() != 0:
        return site_layout.one_user_ids(os.geteuid(), os.getegid()), ()
    system_users.refuse_misspelt(users)
    homes = {"alias": Place(root).alias, "keeper": root}
    return system_users.make_missing(users, homes)


def check_reach(root: str, ids: Ids, *, is_one_user: bool) -> None:
    """Raise InitError, exit code 111, when a daemon's user cannot reach what it needs."""
    if is_one_user or os.geteuid() != 0:
        return
    parent = os.path.dirname(root)
    os.makedirs(parent, exist_ok=True)
    paths = (parent, *reach.needed_paths(root)[1:])
    closed = reach.first_closed(paths, ids)
    if closed is not None:
        raise InitError(closed.sentence, 111)


def _fill(plan: Plan, staging: str, ids: Ids, domains: Sequence[bytes]) -> None:
    place = Place(staging)
    is_split = os.geteuid() == 0 and not plan.is_one_user
    administrators = system_users.administrators_gid() if is_split else None
    owner = (os.geteuid(), os.getegid())
    site_layout.make_directories(place, ids, owner, administrators)
    _write_settings(plan, place)
    # smtpd reads the key without any rights of root; its group is the log's, too.
    key_owner = (ids["smtpd"][0], owner[1])
    edit.replace(place.server_certificate, certificate.self_signed(plan.host), 0o400, key_owner)
    edit.replace(place.daemons, daemons.render(ids))
    domain_files.add_assignments(place, [])
    site = Site(place, ids["keeper"], plan.root)
    for domain in domains:
        accounts.add_domain(site, domain)
    for domain in domains:
        _add_mailboxes(plan, site, domain)
    for domain, argument in plan.catch_alls:
        accounts.set_catch_all(site, domain, argument)
    _add_aliases(plan, site, ids["alias"], domains)


def _write_settings(plan: Plan, place: Place) -> None:
    host = plan.host + b"\n"
    files = {
        "me": host,
        "locals": host,
        "rcpthosts": host,
        "virtualdomains": b"",
        "defaultdelivery": DEFAULT_DELIVERY,
        "listen": "".join(line + "\n" for line in _listeners(plan)).encode("utf-8"),
        "checkrecipients": b"1\n",
        "maxaccountrecipients": b"500\n",
        "smtpauth": b"vpopmail\n",
        "tcp.smtp": TCP_RULES,
    }
    for name, data in files.items():
        edit.replace(os.path.join(place.control, name), data)


def _add_mailboxes(plan: Plan, site: Site, domain: bytes) -> None:
    fresh = []
    for address, password in plan.mailboxes:
        name, its_domain = _parts(address)
        if its_domain == domain:
            fresh.append(NewMailbox(name, password))
    if fresh:
        accounts.add_mailboxes(site, domain, fresh)


def _add_aliases(
    plan: Plan, site: Site, alias_owner: tuple[int, int], domains: Sequence[bytes]
) -> None:
    taken = {address.lower() for address, _password in plan.mailboxes}
    for address, target in plan.aliases:
        name, domain = _parts(address)
        taken.add(address.lower())
        if domain in domains:
            accounts.add_alias(site, domain, name, [target])
        else:
            accounts.add_host_alias(site.place, name, [target], alias_owner)
    if not plan.mailboxes:
        return
    first = plan.mailboxes[0][0]
    for name in REQUIRED_ALIASES:
        if name + b"@" + plan.host not in taken:
            accounts.add_host_alias(site.place, name, [first], alias_owner)
    for domain in domains:
        for name in DOMAIN_ALIASES:
            if name + b"@" + domain not in taken:
                accounts.add_alias(site, domain, name, [first])
