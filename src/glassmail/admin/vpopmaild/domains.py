"""vpopmaild's commands about domains and their limits."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from glassmail.admin import limits_files, virtual_domains
from glassmail.admin.changes import Changes
from glassmail.admin.mailboxes import NewMailbox
from glassmail.admin.site import Site
from glassmail.admin.vpopmaild import users, words
from glassmail.admin.vpopmaild.rights import Who
from glassmail.admin.vpopmaild.words import Kind
from glassmail.core.formats.domain_limits import SERVICES, Limits
from glassmail.stations.rights import as_user

# vpopmaild's names of limits -> ours; the order is that of get_limits.
_NUMBERS = (
    (b"max_popaccounts", "maxpopaccounts"),
    (b"max_aliases", "maxaliases"),
    (b"max_forwards", "maxforwards"),
    (b"max_autoresponders", "maxautoresponders"),
    (b"max_mailinglists", "maxmailinglists"),
    (b"disk_quota", "quota"),
    (b"max_msgcount", "maxmsgcount"),
    (b"default_quota", "default_quota"),
    (b"default_maxmsgcount", "default_maxmsgcount"),
)
_SERVICES = (
    b"disable_pop", b"disable_imap", b"disable_dialup", b"disable_password_changing",
    b"disable_webmail", b"disable_external_relay", b"disable_smtp", b"disable_spamassassin",
    b"delete_spam", b"disable_maildrop",
)  # fmt: skip
_RIGHTS = (
    b"perm_account", b"perm_alias", b"perm_forward", b"perm_autoresponder", b"perm_maillist",
    b"perm_quota", b"perm_defaultquota",
)  # fmt: skip
_DIGITS_MAX = 15


class DomainCommands:
    """The commands, for one who has logged in."""

    def __init__(self, site: Site, who: Who) -> None:
        self._site = site
        self._who = who

    def list_domains(self, rest: bytes) -> bytes:
        """List real domains and alias domains: `REAL NAME`."""
        names = self._names()
        return words.listing(*(real + b" " + name for real, name in users.paged(names, rest)))

    def domain_count(self, _rest: bytes) -> bytes:
        """Count them."""
        return words.listing(b"count %d" % len(self._names()))

    def find_domain(self, rest: bytes) -> bytes:
        """Tell on which page of list_domains a domain stands."""
        name, _, size = rest.strip().partition(b" ")
        if not name:
            return words.fault(Kind.DOMAIN_REQUIRED, 2301)
        is_number = size.strip() and not size.strip().strip(b"0123456789")
        per_page = max(int(size.strip()[:9]), 1) if is_number else 1
        for at, (_real, each) in enumerate(self._names()):
            if each == name.lower():
                return words.listing(b"page %d" % (at // per_page + 1))
        return words.refusal(2302, "Domain does not exist")

    def dom_info(self, rest: bytes) -> bytes:
        """Tell about one domain."""
        domain, problem = users.domain_of(self._site, self._who, rest, 1400)
        if domain is None:
            return problem
        return words.listing(
            b"domain " + domain.name,
            b"path " + os.fsencode(domain.directory),
            b"uid %d" % domain.owner[0],
            b"gid %d" % domain.owner[1],
            *(b"alias " + a for a in virtual_domains.aliases_of(self._site, domain.name)),
        )

    def add_domain(self, rest: bytes) -> bytes:
        """Make a domain with its postmaster."""
        name, _, password = rest.strip().partition(b" ")
        if not name:
            return words.fault(Kind.DOMAIN_REQUIRED, 1501)
        if not password.strip():
            return words.fault(Kind.PASSWORD_REQUIRED, 1502)
        postmaster = NewMailbox(
            virtual_domains.POSTMASTER, password.strip(), gecos=b"Postmaster"
        )
        new = virtual_domains.NewDomain(name, postmaster=postmaster)
        virtual_domains.add(self._site, Changes(), new)
        return words.OK

    def del_domain(self, rest: bytes) -> bytes:
        """Remove a domain; its mail is moved aside."""
        if not rest.strip():
            return words.fault(Kind.DOMAIN_REQUIRED, 1601)
        virtual_domains.remove(self._site, Changes(), rest.strip())
        return words.OK

    def add_alias_domain(self, rest: bytes) -> bytes:
        """Let a domain have the mailboxes of another: DOMAIN ALIAS."""
        names = rest.split()
        if len(names) != 2:
            return words.fault(Kind.DOMAIN_REQUIRED, 701)
        virtual_domains.add_alias(self._site, Changes(), names[1], names[0])
        return words.OK

    def get_limits(self, rest: bytes) -> bytes:
        """Tell the limits that count for a domain."""
        domain, problem = users.domain_of(self._site, self._who, rest, 2700)
        if domain is None:
            return problem
        limits = limits_files.read(self._site, domain)
        lines = [name + b" %d" % getattr(limits, own) for name, own in _NUMBERS]
        lines += [b"%b %d" % (name, bool(limits.disabled & SERVICES[name])) for name in _SERVICES]
        lines += [b"%b %d" % (name, getattr(limits, name.decode())) for name in _RIGHTS]
        # QUIRK: vpopmaild says the last one twice (sample).
        return words.listing(*lines, lines[-1])

    def may_set_limits(self, rest: bytes) -> bytes:
        """Check before the lines of set_limits are read; empty when they may come."""
        return users.domain_of(self._site, self._who, rest, 2800)[1]

    def set_limits(self, rest: bytes, options: Sequence[bytes]) -> bytes:
        """Give a domain limits of its own, all of the lines or none."""
        domain, problem = users.domain_of(self._site, self._who, rest, 2800)
        if domain is None:
            return problem

        def alter(limits: Limits) -> Limits:
            for line in options:
                name, _, value = line.strip().partition(b" ")
                limits = _with(limits, name.lower(), value.strip())
            return limits

        try:
            limits_files.change(self._site, Changes(), domain, alter)
        except _OptionError:
            return words.fault(Kind.INVALID_OPTION, 2804)
        return words.OK

    def del_limits(self, rest: bytes) -> bytes:
        """Let the limits of all domains count for a domain again."""
        domain, problem = users.domain_of(self._site, self._who, rest, 2900)
        if domain is None:
            return problem
        limits_files.remove(self._site, Changes(), domain)
        return words.OK

    def get_domain_size(self, rest: bytes) -> bytes:
        """Tell how much each mailbox of a domain holds, and all together."""
        domain, problem = users.domain_of(self._site, self._who, rest, 3400)
        if domain is None:
            return problem
        with as_user(*domain.owner):
            accounts = self._site.writer.read(domain).accounts.values()
        lines, size, count = [], 0, 0
        for account in accounts:
            held, messages = users.usage(self._site, domain, account)
            lines += [b"user " + account.name + b"@" + domain.name,
                      b"size %d" % held, b"count %d" % messages]  # fmt: skip
            size, count = size + held, count + messages
        whole = (b"domain " + domain.name, b"size %d" % size, b"count %d" % count)
        return words.listing(*lines, *whole)

    def list_lists(self, rest: bytes) -> bytes:
        """List mailing lists of ezmlm: those whose alias is a link to its editor."""
        domain, problem = users.domain_of(self._site, self._who, rest, 1900)
        if domain is None:
            return problem
        with as_user(*domain.owner), os.scandir(domain.directory) as entries:
            names = sorted(
                os.fsencode(entry.name).removeprefix(b".qmail-").replace(b":", b".")
                for entry in entries
                if entry.is_symlink() and entry.name.startswith(".qmail-")
            )
        parts = (b"-accept-default", b"-default", b"-owner", b"-return-default", b"-reject-default")
        return words.listing(*(name for name in names if not name.endswith(parts)))

    def _names(self) -> list[tuple[bytes, bytes]]:
        """Each real domain in order, before its alias domains."""
        entries = self._site.entries()
        return sorted(
            ((entry.real, entry.domain) for entry in entries),
            key=lambda pair: (pair[0], pair[0] != pair[1], pair[1]),
        )


class _OptionError(Exception):
    """A line of set_limits that cannot be obeyed."""


def _with(limits: Limits, name: bytes, value: bytes) -> Limits:
    digits = value.removeprefix(b"-")
    if not digits or digits.strip(b"0123456789") or len(digits) > _DIGITS_MAX:
        raise _OptionError
    number = int(value)
    new: dict[str, Any] = {}  # of one field
    own = dict(_NUMBERS).get(name)
    if own is not None and number >= -1:
        new[own] = number
    if name in _SERVICES and number in (0, 1):
        bit = SERVICES[name]
        new["disabled"] = limits.disabled | bit if number else limits.disabled & ~bit
    if name in _RIGHTS and 0 <= number <= 7:
        new[name.decode("ascii")] = number
    if not new:
        raise _OptionError
    return replace(limits, **new)
