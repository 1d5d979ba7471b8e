"""vuserinfo [options] USER@DOMAIN, or -D DOMAIN: tell of mailboxes (vuserinfo.c)."""

import os
import time

from glassmail.admin import limits_files, mailbox_files, mailboxes
from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.core.formats import quota
from glassmail.core.formats.domain_limits import Limits
from glassmail.core.formats.vpasswd import Account, Flag
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say
from glassmail.stations.rights import as_user
from glassmail.store import lastauth, maildir_quota
from glassmail.store.account_writer import Domain

NAME = "vuserinfo"
SEPARATOR = "-" * 42
FLAG_TEXTS = (  # in vpopmail's order
    (Flag.NO_PASSWORD_CHANGE, "password can not be changed by user"),
    (Flag.NO_POP, "pop access closed"),
    (Flag.NO_WEBMAIL, "webmail access closed"),
    (Flag.NO_IMAP, "imap access closed"),
    (Flag.NO_SMTP, "smtp access is closed"),
    (Flag.NO_RELAY, "user not allowed to relay mail"),
    (Flag.NO_SPAMASSASSIN, "spamassassin processing disabled"),
    (Flag.DELETE_SPAM, "delete spam"),
    (Flag.NO_MAILDROP, "maildrop processing disabled"),
    (Flag.NO_DIALUP, "no dialup flag has been set"),
    (Flag.BOUNCE_MAIL, "mail will be bounced back to sender"),
    (Flag.DOMAIN_ADMIN, "has qmailadmin administrator access"),
    (Flag.SYSTEM_ADMIN, "has system administrator access"),
    (Flag.SYSTEM_EXPERT, "has expert access"),
    (Flag.USER_0, "user flag 0 is set"),
    (Flag.USER_1, "user flag 1 is set"),
    (Flag.USER_2, "user flag 2 is set"),
    (Flag.USER_3, "user flag 3 is set"),
    (Flag.OVERRIDE_LIMITS, "user is not subject to domain limits"),
)


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vuserinfo: usage: [options] email_address",
        "options: -v (print version number)",
        "         -a (display all fields, this is the default)",
        "         -n (display name field)",
        "         -p (display crypted password)",
        "         -u (display uid field)",
        "         -g (display gid field)",
        "         -c (display comment field)",
        "         -d (display directory)",
        "         -q (display quota field)",
        "         -Q (display quota usage)",
        "         -C (display clear text password)",
        "         -l (display last authentication time)",
        "         -D domainname (show all users on this domain)",
    )


def _run(words: list[bytes]) -> int:
    options, rest = vpopmail.getopt(NAME, words, "anpugcdqQvlD:C", _usage)
    wanted: set[str] | None = None
    whole = b""
    for letter, argument in options:
        if letter == "v":
            vpopmail.print_version()
        elif letter == "D":
            whole = argument.lower()
        elif letter == "a":
            wanted = None
        else:
            wanted = (wanted or set()) | {letter}
    if not rest and not whole:
        _usage()
        return -1
    site = vpopmail.site()
    if whole:
        domain = site.domain(whole)
        limits = limits_files.read(site, domain)
        with as_user(*domain.owner):
            table = site.writer.read(domain)
        for account in table.accounts.values():
            say(SEPARATOR)
            _display(site, domain, account, limits, wanted)
        for problem in table.broken.values():
            vpopmail.hint(NAME, problem)
        return 0
    user, domain_name = vpopmail.parse_email(site, rest[0])
    try:
        domain = site.domain(domain_name)
        account = mailboxes.find(site, domain, user)
    except AccountError as error:
        if error.fault not in (Fault.DOMAIN_DOES_NOT_EXIST, Fault.USER_DOES_NOT_EXIST):
            raise
        leave(-1, b"no such user " + user + (b"@" + domain_name if domain_name else b""))
    _display(site, domain, account, limits_files.read(site, domain), wanted)
    return 0


def _display(
    site: Site, domain: Domain, account: Account, limits: Limits, wanted: set[str] | None
) -> None:
    directory = mailbox_files.directory_of(site, domain, account)
    with as_user(*domain.owner):
        usage = _usage_of(account, directory)
        last = _last_login(directory)
    if wanted is None:
        flags = account.flags
        if not flags & Flag.OVERRIDE_LIMITS:
            flags |= limits.disabled
        _display_all(account, flags, usage, last)
        return
    fields: list[tuple[str, list[bytes | str]]] = [
        ("n", [account.name]),
        ("p", [account.crypted]),
        ("C", [account.clear]),
        ("u", [account.uid_field]),
        ("g", [str(account.flags)]),
        ("c", [account.gecos]),
        ("d", [account.directory]),
        ("q", [account.quota]),
        ("Q", [usage]),
        ("l", [*last]),
    ]
    for letter, lines in fields:
        if letter in wanted:
            say(*lines)


def _display_all(account: Account, flags: int, usage: str, last: list[str]) -> None:
    say(
        b"name:   " + account.name,
        b"passwd: " + account.crypted,
        b"clear passwd: " + account.clear,
        b"comment/gecos: " + account.gecos,
        b"uid:    " + account.uid_field,
        f"gid:    {account.flags}",
        f"flags:  {flags}",
        b"gecos: " + account.gecos,
    )
    if not flags:
        say("limits: No user limits set.")
    else:
        say("limits:")
        for flag, text in FLAG_TEXTS:
            if flags & flag:
                say(f"        {text}" + ("" if account.flags & flag else " (*)"))
        if flags != account.flags:
            say("        * = set by domain-wide limits")
    say(b"dir:       " + account.directory, b"quota:     " + account.quota, f"usage:     {usage}")
    say(*last)


def _usage_of(account: Account, directory: str) -> str:
    try:
        limit = quota.parse(account.quota)
    except quota.QuotaError:
        return "0%"
    if limit.is_none:
        return "NOQUOTA"
    try:
        held, count = maildir_quota.usage(os.fsencode(directory) + b"/Maildir/", limit)
    except OSError:
        return "0%"  # nothing was delivered yet
    return f"{maildir_quota.percent(held, count, limit)}%"


def _last_login(directory: str) -> list[str]:
    try:
        last = lastauth.read(os.fsencode(directory))
        created = os.stat(os.path.join(directory, os.fsdecode(lastauth.NAME))).st_mtime
    except OSError:
        return ["last auth: Never logged in"]
    if last is None:
        return [f"account created: {time.ctime(created)}", "last auth: Never logged in"]
    client = last.client.decode("ascii", "backslashreplace")
    return [f"last auth: {time.ctime(last.when)}", f"last auth ip: {client}"]
