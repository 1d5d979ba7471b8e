"""vpopmaild's commands about mailboxes."""

import os
from collections.abc import Sequence
from typing import TypeVar

from glassmail.admin import account_rules as rules
from glassmail.admin import limits_files, mailbox_files, mailboxes
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.mailboxes import NewMailbox
from glassmail.admin.site import Site
from glassmail.admin.vpopmaild import words
from glassmail.admin.vpopmaild.rights import (
    ADMINISTRATORS_FLAGS,
    SYSTEM_FLAGS,
    Who,
)
from glassmail.admin.vpopmaild.words import Kind
from glassmail.core.formats import quota
from glassmail.core.formats.domain_limits import DENY_CREATE, DENY_DELETE, DENY_MODIFY
from glassmail.core.formats.vpasswd import Account, Flag
from glassmail.stations.rights import as_user
from glassmail.store import lastauth, maildir_quota
from glassmail.store.account_writer import Domain

# In the order of user_info; the last one only for whom has it (sample).
FLAGS: tuple[tuple[bytes, Flag], ...] = (
    (b"no_password_change", Flag.NO_PASSWORD_CHANGE),
    (b"no_pop", Flag.NO_POP),
    (b"no_webmail", Flag.NO_WEBMAIL),
    (b"no_imap", Flag.NO_IMAP),
    (b"bounce_mail", Flag.BOUNCE_MAIL),
    (b"no_relay", Flag.NO_RELAY),
    (b"no_dialup", Flag.NO_DIALUP),
    (b"user_flag_0", Flag.USER_0),
    (b"user_flag_1", Flag.USER_1),
    (b"user_flag_2", Flag.USER_2),
    (b"user_flag_3", Flag.USER_3),
    (b"no_smtp", Flag.NO_SMTP),
    (b"domain_admin_privileges", Flag.DOMAIN_ADMIN),
    (b"override_domain_limits", Flag.OVERRIDE_LIMITS),
    (b"no_spamassassin", Flag.NO_SPAMASSASSIN),
    (b"delete_spam", Flag.DELETE_SPAM),
    (b"no_maildrop", Flag.NO_MAILDROP),
    (b"system_admin_privileges", Flag.SYSTEM_ADMIN),
)
_BITS = dict(FLAGS)
_PER_PAGE_MAX = 1_000_000

Item = TypeVar("Item")


def info_lines(account: Account, who: Who) -> list[bytes]:
    """Write an account as user_info shows it."""
    if not who.may_touch(account):
        account = account._replace(crypted=b"", clear=b"")
    lines = [
        b"name " + account.name,
        b"comment " + account.gecos,
        b"quota " + account.quota,
        b"user_dir " + account.directory,
        b"encrypted_password " + account.crypted,
        b"clear_text_password " + account.clear,
    ]
    if who.is_compact:
        return [*lines, b"gidflags %d" % account.flags]
    return lines + [b"%b %d" % (name, bool(account.flags & bit)) for name, bit in FLAGS]


class UserCommands:
    """The commands, for one who has logged in."""

    def __init__(self, site: Site, who: Who) -> None:
        self._site = site
        self._who = who

    def user_info(self, rest: bytes) -> bytes:
        """Tell about one mailbox."""
        name, domain, problem = address_of(self._site, self._who, rest, 1100, is_own=True)
        if domain is None:
            return problem
        try:
            account = mailboxes.find(self._site, domain, name)
        except AccountError:
            return words.refusal(1105, "User does not exist")
        return words.listing(*info_lines(account, self._who))

    def add_user(self, rest: bytes) -> bytes:
        """Make a mailbox."""
        address, _, password = rest.partition(b" ")
        name, domain, problem = address_of(self._site, self._who, address, 300)
        if domain is None:
            return problem
        if not password.strip():
            return words.fault(Kind.PASSWORD_REQUIRED, 304)
        if self._is_denied(domain, "perm_account", DENY_CREATE):
            return words.fault(Kind.NOT_AUTHORIZED, 306)
        new = NewMailbox(name, password.strip())
        mailboxes.add(self._site, Changes(), domain.name, [new])
        return words.OK

    def del_user(self, rest: bytes) -> bytes:
        """Remove a mailbox; its mail is moved aside."""
        name, domain, problem = address_of(self._site, self._who, rest, 400)
        if domain is None:
            return problem
        if not self._who.may_touch(mailboxes.find(self._site, domain, name)):
            return words.fault(Kind.NOT_AUTHORIZED, 403)
        if self._is_denied(domain, "perm_account", DENY_DELETE):
            return words.fault(Kind.NOT_AUTHORIZED, 406)
        mailboxes.remove(self._site, Changes(), domain, name)
        return words.OK

    def may_change(self, rest: bytes) -> bytes:
        """Check before the lines of mod_user are read; empty when they may come."""
        name, domain, problem = address_of(self._site, self._who, rest, 500, is_own=True)
        if domain is None:
            return problem
        mailboxes.find(self._site, domain, name)
        return b""

    def mod_user(self, rest: bytes, options: Sequence[bytes]) -> bytes:
        """Change a mailbox as the option lines say, all or none."""
        name, domain, problem = address_of(self._site, self._who, rest, 500, is_own=True)
        if domain is None:
            return problem
        before = mailboxes.find(self._site, domain, name)
        after = before
        for line in options:
            option, _, value = line.strip().partition(b" ")
            try:
                after = self._changed(after, option.lower(), value.strip())
            except _OptionError as error:
                return words.fault(error.kind, error.place)
        if not self._may_become(before, after, domain):
            return words.fault(Kind.NOT_AUTHORIZED, 520)
        names = [f for f in Account._fields if getattr(before, f) != getattr(after, f)]
        new = {name: getattr(after, name) for name in names}
        mailboxes.change(
            self._site, Changes(), domain, [name], lambda old: old._replace(**new)
        )
        return words.OK

    def _may_become(self, before: Account, after: Account, domain: Domain) -> bool:
        """Tell whether one who has logged in may make such a change."""
        if self._who.is_system:
            return True
        changed = before.flags ^ after.flags
        if not self._who.may_touch(before) or changed & SYSTEM_FLAGS:
            return False
        if self._who.may_domain(domain.name):
            is_own = before.name == self._who.account.name
            if not is_own and self._is_denied(domain, "perm_account", DENY_MODIFY):
                return False
            is_quota = before.quota != after.quota
            return not is_quota or not self._is_denied(domain, "perm_quota", DENY_MODIFY)
        has_password = (before.crypted, before.clear) == (after.crypted, after.clear)
        may_password = has_password or not before.flags & Flag.NO_PASSWORD_CHANGE
        return may_password and not changed & ADMINISTRATORS_FLAGS and before.quota == after.quota

    def list_users(self, rest: bytes) -> bytes:
        """Tell about the mailboxes of a domain, or a page of them."""
        name, _, paging = rest.partition(b" ")
        domain, problem = domain_of(self._site, self._who, name, 800)
        if domain is None:
            return problem
        with as_user(*domain.owner):
            accounts = list(self._site.writer.read(domain).accounts.values())
        lines: list[bytes] = []
        for account in paged(accounts, paging):
            lines += [*info_lines(account, self._who), b""]
        return words.listing(*lines)

    def user_count(self, rest: bytes) -> bytes:
        """Count the mailboxes of a domain."""
        domain, problem = domain_of(self._site, self._who, rest, 2500)
        if domain is None:
            return problem
        with as_user(*domain.owner):
            return words.listing(b"count %d" % self._site.writer.count(domain))

    def get_lastauth(self, rest: bytes) -> bytes:
        """Tell the last login."""
        name, domain, problem = address_of(self._site, self._who, rest, 2600, is_own=True)
        if domain is None:
            return problem
        account = mailboxes.find(self._site, domain, name)
        directory = mailbox_files.directory_of(self._site, domain, account)
        with as_user(*domain.owner):
            last = lastauth.read(os.fsencode(directory))
        when, client = (0, lastauth.NEVER) if last is None else (last.when, last.client)
        return words.listing(b"time %d" % when, b"ip " + client)

    def get_user_size(self, rest: bytes) -> bytes:
        """Tell how much a mailbox holds."""
        name, domain, problem = address_of(self._site, self._who, rest, 3500, is_own=True)
        if domain is None:
            return problem
        account = mailboxes.find(self._site, domain, name)
        held, count = usage(self._site, domain, account)
        return words.listing(b"size %d" % held, b"count %d" % count)

    def _is_denied(self, domain: Domain, right: str, bit: int) -> bool:
        """Tell whether the domain's limits keep such a thing from its administrators."""
        if not self._who.is_bound:
            return False
        return bool(getattr(limits_files.read(self._site, domain), right) & bit)

    def _changed(self, account: Account, option: bytes, value: bytes) -> Account:
        if option in _BITS:
            if value not in (b"0", b"1"):
                raise _OptionError(Kind.INVALID_OPTION, 505)
            bit = _BITS[option]
            flags = account.flags | bit if value == b"1" else account.flags & ~bit
            return account._replace(flags=int(flags))
        if option == b"gidflags":
            if not value or value.strip(b"0123456789") or len(value) > 9:
                raise _OptionError(Kind.INVALID_OPTION, 506)
            return account._replace(flags=int(value))
        if option == b"clear_all_flags":
            return account._replace(flags=0)
        if option == b"comment":
            return account._replace(gecos=rules.check_gecos(account.name, value))
        if option == b"quota":
            limit = rules.check_quota(value)
            return account._replace(quota=limit)
        if option == b"clear_text_password" and value:
            crypted, clear = mailboxes.hashed(self._site, value)
            return account._replace(crypted=crypted, clear=clear or (account.clear and value))
        if option == b"encrypted_password" and value:
            crypted = rules.check_crypted(value)
            return account._replace(crypted=crypted, clear=b"")
        raise _OptionError(Kind.INVALID_OPTION, 504)


class _OptionError(Exception):
    def __init__(self, kind: Kind, place: int) -> None:
        super().__init__(kind)
        self.kind = kind
        self.place = place


def address_of(
    site: Site, who: Who, text: bytes, place: int, *, is_own: bool = False
) -> tuple[bytes, Domain | None, bytes]:
    """Read user@domain and check the rights; the domain is None when there is a problem."""
    name, at, domain_name = text.strip().lower().rpartition(b"@")
    if not at or not name or not domain_name:
        return b"", None, words.fault(Kind.EMAIL_REQUIRED, place + 1)
    if site.find(domain_name) is None:
        # Those who may not see all domains do not learn which there are.
        if who.is_system:
            return b"", None, words.refusal(place + 5, "Domain does not exist")
        return b"", None, words.fault(Kind.NOT_AUTHORIZED, place + 3)
    domain = site.domain(domain_name)
    may = who.may_user(name, domain.name) if is_own else who.may_domain(domain.name)
    if not may:
        return b"", None, words.fault(Kind.NOT_AUTHORIZED, place + 3)
    return name, domain, b""


def domain_of(site: Site, who: Who, text: bytes, place: int) -> tuple[Domain | None, bytes]:
    """Read a domain and check the rights; None and the error when there is a problem."""
    name = text.strip().lower()
    if not name:
        return None, words.fault(Kind.DOMAIN_REQUIRED, place + 1)
    if site.find(name) is None:
        if who.is_system:
            return None, words.refusal(place + 4, "Domain does not exist")
        return None, words.fault(Kind.NOT_AUTHORIZED, place + 3)
    domain = site.domain(name)
    if not who.may_domain(domain.name):
        return None, words.fault(Kind.NOT_AUTHORIZED, place + 3)
    return domain, b""


def usage(site: Site, domain: Domain, account: Account) -> tuple[int, int]:
    """Return bytes and messages that a mailbox holds."""
    maildir = mailbox_files.directory_of(site, domain, account) + "/Maildir/"
    try:
        limit = quota.parse(account.quota)
    except quota.QuotaError:
        limit = quota.NO_QUOTA
    with as_user(*domain.owner):
        try:
            return maildir_quota.usage(os.fsencode(maildir), limit)
        except FileNotFoundError:
            return 0, 0  # the first delivery makes it


def paged(items: Sequence[Item], paging: bytes) -> Sequence[Item]:
    """Return the page of `PAGE PER_PAGE`, everything without these words."""
    numbers = [int(word) for word in paging.split()[:2] if not word.strip(b"0123456789")]
    if len(numbers) < 2 or not 0 < numbers[1] <= _PER_PAGE_MAX or not 0 < numbers[0] < 10**9:
        return items
    page, per_page = numbers
    return items[(page - 1) * per_page : page * per_page]
