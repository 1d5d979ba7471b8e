"""Add, change and remove mailboxes: what vadduser, vmoduser, vpasswd, vsetuserquota, vdeluser do.

Always:
    - Everything is checked before anything is changed; a refusal changes nothing.
    - Files of a domain are changed with the rights of the domain's owner, also when root asks:
      links that the owner could have made lead nowhere that the owner could not go.
    - A new mailbox's directory is made aside, then the account, then the directory gets its
      name. A kill in between leaves the account without a directory at most, which the first
      delivery makes (vdelivermail.c).
    - A removed mailbox loses its account first; then its mail is moved to `.removed`. A journal
      lets the next command finish that, so that nobody new finds the mail of somebody old.
"""

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from glassmail.admin import account_rules as rules
from glassmail.admin import aside, limits_files, mailbox_files, onchange
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.core.formats import quota
from glassmail.core.formats.vpasswd import Account
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.stations.rights import as_user
from glassmail.store import passwords
from glassmail.store.account_writer import (
    AccountChangeError,
    Changed,
    Domain,
    MissingError,
    TakenError,
    TooManyError,
)
from glassmail.store.control import ControlError, take_snapshot

LOCKED = b"*"  # a hash that no password has


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """A mailbox to be made.

    Attributes:
        name: its local part.
        password: in clear; hashed here.
        quota: as written; empty for the domain's default.
        gecos: a comment; the name when empty.
        crypted: a hash made elsewhere, in the password's place.
        source: a directory of `.removed` that it shall have again, with its former account.
    """

    name: bytes
    password: bytes = b""
    quota: bytes = b""
    gecos: bytes = b""
    crypted: bytes = b""
    source: str = ""


def hashed(site: Site, password: bytes, hash_kind: bytes = b"") -> tuple[bytes, bytes]:
    """Hash a new password as the site's settings say; return (hash, clear password to keep).

    Raises:
        AccountError: the password or the setting cannot be used.
    """
    rules.check_password(password)
    try:
        settings = take_snapshot(site.place.control, ("passwordhash", "clearpasswords"))
        crypted = passwords.hash_password(password, hash_kind or settings.line("passwordhash"))
    except (ControlError, passwords.PasswordError) as error:
        raise AccountError(str(error), Fault.CRYPT_FAILED) from error
    return crypted, password if settings.flag("clearpasswords") else b""


def account_of(
    site: Site, domain: Domain, new: NewMailbox, default: quota.Quota, hash_kind: bytes = b""
) -> Account:
    """Check a new mailbox and make its account; raises AccountError."""
    name = rules.check_name(new.name)
    home = site.shown(os.path.join(domain.directory, os.fsdecode(name)))
    rules.check_directory(home)
    former = mailbox_files.former_account(new.source) if new.source else None
    if former is not None:
        # Where it was: vpopmail spreads mailboxes over 0/, 1/, ... of large domains.
        was = mailbox_files.directory_of(site, domain, former)
        can_return = mailbox_files.is_below(was, domain) and former.name == name
        return former._replace(name=name, directory=former.directory if can_return else home)
    gecos = rules.check_gecos(name, new.gecos or name)
    limit = rules.check_quota(new.quota) if new.quota else quota.render(default)
    if new.crypted:
        crypted, clear = rules.check_crypted(new.crypted), b""
    else:
        crypted, clear = hashed(site, new.password, hash_kind)
    return Account(name, crypted, b"1", 0, gecos, home, limit, clear)


def add(
    site: Site,
    changes: Changes,
    domain_name: bytes,
    mailboxes: Sequence[NewMailbox],
    hash_kind: bytes = b"",
) -> list[Account]:
    """Make mailboxes in a domain, all of them in one change of vpasswd.

    Args:
        site: the site.
        changes: told what changed and how to undo it.
        domain_name: the domain; an alias domain stands for its real one.
        mailboxes: what to make.
        hash_kind: how passwords are hashed, control/passwordhash when empty.

    Raises:
        AccountError, EditError: nothing is changed then.
    """
    domain = site.domain(domain_name)
    limits = limits_files.read(site, domain)
    default = quota.Quota(limits.default_quota, limits.default_maxmsgcount)
    accounts = [account_of(site, domain, new, default, hash_kind) for new in mailboxes]
    sources = [new.source for new in mailboxes]
    with mailbox_files.alone(site, domain):
        directories = [mailbox_files.directory_of(site, domain, a) for a in accounts]
        for account, directory, source in zip(accounts, directories, sources, strict=True):
            _refuse_taken(site, domain, account)
            mailbox_files.refuse_existing(directory, source)
        staged = [
            mailbox_files.stage(domain, account.name, directory, source)
            for account, directory, source in zip(accounts, directories, sources, strict=True)
        ]
        try:
            _write(site, domain, accounts, limits.maxpopaccounts)
        except AccountError:
            for path, source in zip(staged, sources, strict=True):
                mailbox_files.put_back(path, source)
            raise
        for path, directory, source in zip(staged, directories, sources, strict=True):
            mailbox_files.put_in_place(path, directory, domain)
            mailbox_files.forget_former(source)
    _tell_added(site, changes, domain, accounts)
    return accounts


def change(
    site: Site,
    changes: Changes,
    domain: Domain,
    names: Collection[bytes] | None,
    alter: Callable[[Account], Account],
) -> list[Changed]:
    """Change accounts; None for all of a domain.

    Raises:
        AccountError: there is no such mailbox, or the files cannot be changed.
    """
    with mailbox_files.alone(site, domain):
        try:
            changed = site.writer.change(domain, names, alter)
        except MissingError as error:
            raise AccountError(str(error), Fault.USER_DOES_NOT_EXIST) from error
        except AccountChangeError as error:
            raise AccountError(str(error), Fault.COULD_NOT_UPDATE_FILE) from error
        for before, after in changed:
            if before.quota != after.quota:
                mailbox_files.forget_sums(mailbox_files.directory_of(site, domain, after))
    for each in changed:
        _tell_difference(changes, domain, each)
        onchange.call(site, changes, "mod_user", each.after.name + b"@" + domain.name)
    return changed


def set_password(
    site: Site, changes: Changes, domain: Domain, name: bytes, password: bytes
) -> None:
    """Give a mailbox a new password; a site that keeps it in clear keeps this one so.

    Raises:
        AccountError: the password cannot be used, or there is no such mailbox.
    """
    crypted, clear = hashed(site, password)

    def alter(account: Account) -> Account:
        # A clear password of before would open CRAM-MD5 and APOP still.
        return account._replace(crypted=crypted, clear=clear or (account.clear and password))

    change(site, changes, domain, [name], alter)


def remove(
    site: Site, changes: Changes, domain: Domain, name: bytes, *, purge: bool = False
) -> None:
    """Remove a mailbox; its mail is moved to `.removed` in the domain's directory, or deleted.

    Raises:
        AccountError: there is no such mailbox, or the files cannot be changed.
        EditError: the mail cannot be moved; the next command tries again.
    """
    account = find(site, domain, name)
    address = name + b"@" + domain.name
    onchange.call(site, changes, "del_user", address)
    directory = mailbox_files.directory_of(site, domain, account)
    stays = mailbox_files.stays(directory, domain)
    with mailbox_files.alone(site, domain):
        task = mailbox_files.removal(domain, account, "" if stays else directory)
        target = task["target"]
        aside.prepare(target, domain.owner)
        kept = mailbox_files.journal_of(domain)
        kept.begin(task)
        try:
            site.writer.remove(domain, name)
        except AccountChangeError as error:
            kept.end()
            raise AccountError(str(error), Fault.COULD_NOT_UPDATE_FILE) from error
        mailbox_files.finish_removal(domain, task)
        if purge:
            aside.purge(target)
            mailbox_files.forget_former(target)
        kept.end()
    changes.tell(f"{_where(domain)}: removed {os.fsdecode(name)}")
    if stays:
        changes.note(f"{directory} is {stays}: it stays where it is")
        is_in_place = mailbox_files.is_below(directory, domain)
        _undo_by_parts(changes, address, account, directory if is_in_place else "")
    elif purge:
        changes.tell(f"{directory}: deleted, with its mail")
        changes.note("the mail is deleted: there is no way back")
    else:
        changes.tell(f"{directory}: moved to {target}")
        changes.undo_by("glass", "user", "add", address, "--from", target)


def _undo_by_parts(changes: Changes, address: bytes, account: Account, source: str) -> None:
    """Bring an account back whose directory stayed, since nothing of it is in `.removed`."""
    origin = ("--from", source) if source else ()
    changes.undo_by("glass", "user", "add", address, *origin)
    changes.undo_by(
        "glass", "user", "set", address, "--crypted", account.crypted,
        "--flags", f"{account.flags:#x}", "--quota", account.quota, "--comment", account.gecos,
        "--dir", account.directory,
    )  # fmt: skip


def find(site: Site, domain: Domain, name: bytes) -> Account:
    """Return an account; raises AccountError when there is none, or nobody can tell."""
    with as_user(*domain.owner):
        found = site.writer.find(domain, name)
    if found.answer == YES and found.account is not None:
        return found.account
    if found.answer == UNKNOWN:
        raise AccountError(found.source, Fault.COULD_NOT_UPDATE_FILE)
    shown = os.fsdecode(name + b"@" + domain.name)
    raise AccountError(f"{shown}: there is no such mailbox", Fault.USER_DOES_NOT_EXIST)


def _refuse_taken(site: Site, domain: Domain, account: Account) -> None:
    found = site.writer.find(domain, account.name)
    if found.answer == NO:
        return
    shown = os.fsdecode(account.name)
    if found.answer == UNKNOWN:
        text = f"{shown}: nobody can tell whether the mailbox exists: {found.source}"
        raise AccountError(text, Fault.COULD_NOT_UPDATE_FILE)
    raise AccountError(f"{shown}: the mailbox exists already", Fault.USERNAME_EXISTS)


def _write(site: Site, domain: Domain, accounts: Sequence[Account], count_max: int) -> None:
    try:
        site.writer.add(domain, accounts, count_max)
    except TakenError as error:
        raise AccountError(str(error), Fault.USERNAME_EXISTS) from error
    except TooManyError as error:
        raise AccountError(
            f"{os.fsdecode(domain.name)}: {error} (maxpopaccounts in its limits: "
            "glass domain show)"
        ) from error
    except AccountChangeError as error:
        raise AccountError(str(error), Fault.COULD_NOT_UPDATE_FILE) from error


def _tell_added(
    site: Site, changes: Changes, domain: Domain, accounts: Sequence[Account]
) -> None:
    for account in accounts:
        address = account.name + b"@" + domain.name
        changes.tell(f"{_where(domain)}: added {os.fsdecode(account.name)}")
        changes.undo_by("glass", "user", "remove", address)
        if _is_alias(domain, account.name):
            changes.note(
                f"mail for {os.fsdecode(address)} goes to the alias of that name, not into this "
                f"mailbox: glass alias remove {os.fsdecode(address)}"
            )
        if not site.shown_root:
            onchange.call(site, changes, "add_user", address)


def _is_alias(domain: Domain, name: bytes) -> bool:
    file = ".qmail-" + os.fsdecode(name.replace(b".", b":"))
    with as_user(*domain.owner):
        return os.path.lexists(os.path.join(domain.directory, file))


def _tell_difference(changes: Changes, domain: Domain, changed: Changed) -> None:
    before, after = changed
    back: list[str | bytes] = []
    told = []
    if (before.crypted, before.clear) != (after.crypted, after.clear):
        told.append("password")
        back += ["--crypted", before.crypted]
        if before.clear:
            changes.note("the former password in clear does not come back: CRAM-MD5 needed it")
    if before.flags != after.flags:
        told.append(f"flags {before.flags:#x} -> {after.flags:#x}")
        back += ["--flags", f"{before.flags:#x}"]
    for name, option in (("quota", "--quota"), ("gecos", "--comment"), ("directory", "--dir")):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            told.append(f"{name} {os.fsdecode(old)} -> {os.fsdecode(new)}")
            back += [option, old]
    shown = os.fsdecode(after.name)
    changes.tell(*(f"{_where(domain)}: {shown}: {text}" for text in told))
    changes.undo_by("glass", "user", "set", after.name + b"@" + domain.name, *back)


def _where(domain: Domain) -> str:
    """Name what keeps the accounts of a domain."""
    with as_user(*domain.owner):
        path = os.path.join(domain.directory, "vpasswd")
        return path if os.path.lexists(path) else f"{os.fsdecode(domain.name)} in the data base"
