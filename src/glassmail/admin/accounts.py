"""What `glass init` makes of accounts in a site that nobody uses yet.

Purpose:
    Domains, mailboxes and aliases are made in place, without the journal, signals and hooks of
    a site that is in use: a killed `glass init` leaves no site at all. Commands that change a site
    in use are virtual_domains, mailboxes and aliases, which these functions call.
"""

import os
from collections.abc import Iterable, Sequence

from glassmail.admin import account_rules, aliases, domain_files, domain_tree, mailboxes
from glassmail.admin.account_error import AccountError
from glassmail.admin.account_rules import check_domain, check_name, forward_line
from glassmail.admin.changes import Changes
from glassmail.admin.domain_files import Entry
from glassmail.admin.mailboxes import NewMailbox
from glassmail.admin.site import Site
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.settings.place import Place
from glassmail.store import edit
from glassmail.store.account_writer import Domain

__all__ = [
    "AccountError",
    "NewMailbox",
    "Site",
    "add_alias",
    "add_domain",
    "add_host_alias",
    "add_mailbox",
    "add_mailboxes",
    "check_domain",
    "check_name",
    "forward_line",
    "set_catch_all",
]


def add_domain(site: Site, domain: bytes, argument: bytes = b"bounce-no-mailbox") -> None:
    """Make a virtual domain without mailboxes.

    Args:
        site: the site.
        domain: its name; lower case is made of it.
        argument: what happens to mail for nobody, the argument of vdelivermail.

    Raises:
        AccountError: for a bad name or a domain that exists.
        EditError: when a file cannot be changed.
    """
    name = check_domain(domain)
    if site.find(name) is not None:
        text = f"{os.fsdecode(name)}: the domain exists already"
        raise AccountError(text, Fault.DOMAIN_ALREADY_EXISTS)
    line = account_rules.catch_all_line(argument)
    made = Domain(name, os.path.join(site.domains, os.fsdecode(name)), site.owner)
    edit.make_directory(site.domains, domain_tree.DIRECTORY_MODE, site.owner)
    staged = domain_tree.stage(made, line, ())
    domain_tree.put_in_place(site, made, staged, b"")
    shown = os.fsdecode(site.shown(made.directory))
    domain_files.announce(site.place, Entry(name, name, site.owner, shown, 0))


def add_mailboxes(
    site: Site, domain: bytes, new: Sequence[NewMailbox], hash_kind: bytes = b""
) -> None:
    """Make mailboxes in a domain; see mailboxes.add."""
    mailboxes.add(site, Changes(), domain, new, hash_kind)


def add_mailbox(site: Site, domain: bytes, new: NewMailbox, hash_kind: bytes = b"") -> None:
    """Make one mailbox; see mailboxes.add."""
    add_mailboxes(site, domain, [new], hash_kind)


def add_alias(site: Site, domain: bytes, name: bytes, targets: Iterable[bytes]) -> None:
    """Let NAME at a domain forward to these addresses; see aliases.add_lines."""
    lines = [forward_line(target).rstrip(b"\n") for target in targets]
    aliases.add_lines(site, Changes(), site.domain(domain), name, lines)


def add_host_alias(
    place: Place, name: bytes, targets: Iterable[bytes], owner: tuple[int, int]
) -> None:
    """Let NAME at the domains of control/locals forward, by ROOT/alias/.qmail-NAME.

    The file is readable by all, since the keeper looks at it with its own rights.
    """
    file = ".qmail-" + os.fsdecode(check_name(name)).replace(".", ":")
    path = os.path.join(place.alias, file)
    lines = b"".join(forward_line(target) for target in targets)
    with edit.locked(path, os.path.join(place.alias, ".lock")):
        try:
            with open(path, "rb") as opened:
                before = opened.read()
        except FileNotFoundError:
            before = b""
        except OSError as error:
            raise edit.because(path, error) from error
        if before and not before.endswith(b"\n"):
            before += b"\n"
        edit.replace(path, before + lines, edit.FILE_MODE, owner)


def set_catch_all(site: Site, domain: bytes, argument: bytes) -> None:
    """Say what happens to mail for nobody: delete, bounce-no-mailbox, /path or an address."""
    line = account_rules.catch_all_line(argument)
    aliases.set_catch_all(Changes(), site.domain(domain), line)
