"""vmoduser [options] USER@DOMAIN|DOMAIN: change mailboxes (vmoduser.c)."""

import os

from glassmail.admin import mailboxes
from glassmail.admin.account_error import AccountError
from glassmail.admin.account_rules import (
    check_crypted,
    check_directory,
    check_gecos,
    check_quota,
)
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.core.formats.vpasswd import Account, Flag
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say

NAME = "vmoduser"
FLAGS = {
    "d": Flag.NO_PASSWORD_CHANGE,
    "p": Flag.NO_POP,
    "s": Flag.NO_SMTP,
    "w": Flag.NO_WEBMAIL,
    "i": Flag.NO_IMAP,
    "b": Flag.BOUNCE_MAIL,
    "o": Flag.OVERRIDE_LIMITS,
    "r": Flag.NO_RELAY,
    "a": Flag.DOMAIN_ADMIN,
    "S": Flag.SYSTEM_ADMIN,
    "E": Flag.SYSTEM_EXPERT,
    "f": Flag.NO_SPAMASSASSIN,
    "F": Flag.DELETE_SPAM,
    "m": Flag.NO_MAILDROP,
    "u": Flag.NO_DIALUP,
    "0": Flag.USER_0,
    "1": Flag.USER_1,
    "2": Flag.USER_2,
    "3": Flag.USER_3,
}
_ROOTS = "SE"  # given by root alone


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vmoduser: usage: [options] email_addr or domain (for each user in domain)",
        "options: -v ( display the vpopmail version number )",
        "         -n ( don't rebuild the vpasswd.cdb file )",
        "         -q quota ( set quota )",
        "         -c comment (set the comment/gecos field )",
        "         -e encrypted_passwd (set the password field )",
        "         -C clear_text_passwd (set the password field )",
        "the following options are bit flags in the gid int field",
        "         -x ( clear all flags )",
        "         -d ( don't allow user to change password )",
        "         -p ( disable POP access )",
        "         -s ( disable SMTP AUTH access )",
        "         -w ( disable webmail [IMAP from localhost*] access )",
        "            ( * full list of webmail server IPs in vchkpw.c )",
        "         -i ( disable non-webmail IMAP access )",
        "         -b ( bounce all mail )",
        "         -o ( user is not subject to domain limits )",
        "         -r ( disable roaming user/pop-before-smtp )",
        "         -a ( grant qmailadmin administrator privileges )",
        "         -S ( grant system administrator privileges - access all domains )",
        "         -E ( grant expert privileges - edit .qmail files )",
        "         -f ( disable spamassassin)",
        "         -F ( delete spam)",
        "         -m ( disable maildrop)",
        "  [The following flags aren't used directly by vpopmail but are]",
        "  [included for other programs that share the user database.]",
        "         -u ( set no dialup flag )",
        "         -0 ( set V_USER0 flag )",
        "         -1 ( set V_USER1 flag )",
        "         -2 ( set V_USER2 flag )",
        "         -3 ( set V_USER3 flag )",
    )


def _run(words: list[bytes]) -> int:
    known = "D:avunxc:q:dpswibro0123he:C:fFSEm"
    given, rest = vpopmail.arguments(NAME, words, known, _usage)
    site = vpopmail.site()
    names, domain_name = vpopmail.parse_names(site, rest[0])
    wanted = _wanted(site, given)
    changes = Changes()
    try:
        domain = site.domain(domain_name)
        mailboxes.change(site, changes, domain, names, lambda a: _altered(a, given, wanted))
    except AccountError as error:
        missing = (Fault.DOMAIN_DOES_NOT_EXIST, Fault.USER_DOES_NOT_EXIST)
        if names is None or error.fault not in missing:
            raise
        leave(-1, b"no such user %b@%b" % (names[0], domain_name))
    vpopmail.tell_notes(NAME, changes)
    return 0


def _wanted(site: Site, given: dict[str, bytes]) -> dict[str, bytes]:
    """Check all values before any mailbox is changed; return them by the field's name."""
    wanted: dict[str, bytes] = {}
    if given.get("c"):
        wanted["gecos"] = check_gecos(b"", given["c"])
    if given.get("D"):
        wanted["directory"] = check_directory(given["D"])
    if "q" in given:
        wanted["quota"] = check_quota(given["q"])
    if given.get("C"):
        wanted["crypted"], wanted["clear"] = mailboxes.hashed(site, given["C"])
    elif given.get("e"):
        wanted["crypted"] = check_crypted(given["e"])
    return wanted


def _altered(account: Account, given: dict[str, bytes], wanted: dict[str, bytes]) -> Account:
    flags = 0 if "x" in given else account.flags
    for letter, flag in FLAGS.items():
        if letter in given and (letter not in _ROOTS or os.getuid() == 0):
            flags |= flag
    if "clear" in wanted and account.clear:
        wanted = {**wanted, "clear": given["C"]}
    return account._replace(flags=flags, **wanted)
