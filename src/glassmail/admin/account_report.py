"""What is to be told of a mailbox: quota, how full, last login, rights, instructions."""

import os
import time
from typing import Any, NamedTuple

from glassmail.admin import aliases, limits_files, mailbox_files
from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.core.formats import quota
from glassmail.core.formats.domain_limits import Limits
from glassmail.core.formats.vpasswd import Account, Flag
from glassmail.core.model.system_errors import words_of
from glassmail.stations.rights import as_user
from glassmail.store import lastauth, maildir_quota
from glassmail.store.account_writer import Domain

RIGHTS = {  # taken away by a flag
    "mail": Flag.BOUNCE_MAIL,
    "pop": Flag.NO_POP,
    "imap": Flag.NO_IMAP,
    "smtp": Flag.NO_SMTP,
    "webmail": Flag.NO_WEBMAIL,
    "relay": Flag.NO_RELAY,
    "password-change": Flag.NO_PASSWORD_CHANGE,
    "dialup": Flag.NO_DIALUP,
    "spamassassin": Flag.NO_SPAMASSASSIN,
    "maildrop": Flag.NO_MAILDROP,
}
POWERS = {  # given by a flag
    "domain-admin": Flag.DOMAIN_ADMIN,
    "system-admin": Flag.SYSTEM_ADMIN,
    "expert": Flag.SYSTEM_EXPERT,
    "no-limits": Flag.OVERRIDE_LIMITS,
    "delete-spam": Flag.DELETE_SPAM,
    "user-flag-0": Flag.USER_0,
    "user-flag-1": Flag.USER_1,
    "user-flag-2": Flag.USER_2,
    "user-flag-3": Flag.USER_3,
}
_HASHES = {b"$1$": "MD5", b"$2": "bcrypt", b"$5$": "SHA-256", b"$6$": "SHA-512",
           b"$y$": "yescrypt", b"$argon2": "argon2"}  # fmt: skip


class Rows(NamedTuple):
    """The mailboxes of a domain, and the lines that cannot be read."""

    rows: list[dict[str, Any]]
    problems: list[str]


def rows(site: Site, domain: Domain) -> Rows:
    """Return a row for each mailbox of a domain."""
    limits = limits_files.read(site, domain)
    with as_user(*domain.owner):
        table = site.writer.read(domain)
        found = [_row(site, domain, account, limits) for account in table.accounts.values()]
    return Rows(found, list(table.broken.values()))


_STEP = 1_024
_UNTOLD = (None, None)


def row(site: Site, domain: Domain, account: Account) -> dict[str, Any]:
    """Return the row of one mailbox."""
    limits = limits_files.read(site, domain)
    with as_user(*domain.owner):
        return _row(site, domain, account, limits)


def details(site: Site, domain: Domain, account: Account) -> dict[str, Any]:
    """Return the fields of `glass user show`."""
    address = account.name + b"@" + domain.name
    directory = mailbox_files.directory_of(site, domain, account)
    with as_user(*domain.owner):
        names = sorted(n for n in _names(directory) if n.startswith(".qmail"))
    return {
        **row(site, domain, account),
        "comment": _text(account.gecos),
        "flags": f"{account.flags:#x}",
        "password": _hash_words(account),
        "directory": directory,
        "instructions": names,
        "aliases": [
            _text(alias.name + b"@" + domain.name)
            for alias in aliases.listed(domain)
            if any(line.removeprefix(b"&").lower() == address for line in alias.lines)
        ],
    }


def flags_named(words: tuple[str, ...]) -> int:
    """Add up the flags of rights and powers; raises AccountError for an unknown word."""
    flags = 0
    for word in words:
        flag = RIGHTS.get(word) or POWERS.get(word)
        if flag is None:
            known = ", ".join((*RIGHTS, *POWERS))
            raise AccountError(f"{word}: no such right or power; there are {known}")
        flags |= flag
    return flags


def number(text: str) -> int:
    """Read flags, `18` or `0x12`; raises AccountError."""
    digits = text.removeprefix("0x")
    letters = "0123456789abcdefABCDEF" if digits != text else "0123456789"
    if not digits or len(digits) > 9 or digits.strip(letters):
        raise AccountError(f"{text}: flags are a number, 18 or 0x12")
    return int(digits, 16 if digits != text else 10)


def _row(site: Site, domain: Domain, account: Account, limits: Limits) -> dict[str, Any]:
    directory = os.fsencode(mailbox_files.directory_of(site, domain, account))
    (held, count), used, full = _usage(account, directory)
    try:
        last = lastauth.read(directory)
    except OSError:
        last = None  # what cannot be read tells of no login
    when = "" if last is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(last.when))
    flags = account.flags
    if not flags & Flag.OVERRIDE_LIMITS:
        flags |= limits.disabled
    return {
        "address": _text(account.name + b"@" + domain.name),
        "quota": _text(account.quota),
        "bytes": held,
        "messages": count,
        "used": used,
        "full": full,
        "last_login": when,
        "rights": right_words(flags),
    }


def quota_words(text: str) -> str:
    """Say a quota for people: `500 MB`, `20000 bytes, 10 messages`, `none`."""
    try:
        limit = quota.parse(os.fsencode(text))
    except quota.QuotaError:
        return text
    parts = []
    if limit.bytes_most:
        size, unit = limit.bytes_most, "bytes"
        for larger in ("kB", "MB", "GB", "TB"):  # as they are read: 1 kB is 1024 bytes
            if size % _STEP:
                break
            size, unit = size // _STEP, larger
        parts.append(f"{size} {unit}")
    if limit.messages_most:
        parts.append(f"{limit.messages_most} messages")
    return ", ".join(parts) or "none"


def right_words(flags: int) -> list[str]:
    """List what a mailbox may not, and what it may besides."""
    words = [f"no {name}" for name, flag in RIGHTS.items() if flags & flag]
    return words + [name for name, flag in POWERS.items() if flags & flag]


def _usage(
    account: Account, directory: bytes
) -> tuple[tuple[int | None, int | None], str, str]:
    """Return what is used, in numbers and in words, and how full that is."""
    try:
        limit = quota.parse(account.quota)
        held, count = maildir_quota.usage(directory + b"/Maildir/", limit)
    except quota.QuotaError as error:
        return _UNTOLD, "", str(error)
    except (FileNotFoundError, NotADirectoryError):
        held = count = 0  # nothing was delivered yet
    except OSError as error:
        return _UNTOLD, "", words_of(error).lower()
    full = "" if limit.is_none else f"{maildir_quota.percent(held, count, limit)} %"
    noun = "message" if count == 1 else "messages"
    used = f"{_size(held)}, {count} {noun}" if count else ""
    return (held, count), used, full


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1_000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1_000
    return f"{value:.1f} GB"


def _hash_words(account: Account) -> str:
    if not account.crypted or account.crypted[:1] in b"*!":
        return "none: nobody can log in"
    kind = next((name for mark, name in _HASHES.items() if account.crypted.startswith(mark)), "DES")
    return kind + (", kept in clear as well" if account.clear else "")


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []  # not made yet, or not for our eyes


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
