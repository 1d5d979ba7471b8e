"""vmoddomlimits [options] DOMAIN: show and change what a domain may have (vmoddomlimits.c)."""

import sys
from dataclasses import replace

from glassmail.admin import limits_files
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.core.formats import domain_limits, quota
from glassmail.core.formats.domain_limits import DENY_CREATE, DENY_DELETE, DENY_MODIFY, Limits
from glassmail.core.formats.vpasswd import Flag
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say

NAME = "vmoddomlimits"
NUMBERS = {
    "Q": "quota",
    "M": "maxmsgcount",
    "m": "default_maxmsgcount",
    "P": "maxpopaccounts",
    "A": "maxaliases",
    "F": "maxforwards",
    "R": "maxautoresponders",
    "L": "maxmailinglists",
}
RIGHTS = {  # in the order of -S
    "p": ("perm_account", "pop account:"),
    "a": ("perm_alias", "alias:"),
    "f": ("perm_forward", "forward:"),
    "r": ("perm_autoresponder", "autoresponder:"),
    "l": ("perm_maillist", "mailinglist:"),
    "u": ("perm_maillist_users", "mailinglist users:"),
    "o": ("perm_maillist_moderators", "mailinglist moderators:"),
    "x": ("perm_quota", "quota:"),
    "z": ("perm_defaultquota", "default quota:"),
}
SERVICES = (  # flag, letter of -g, name; in the order of -S
    (Flag.NO_IMAP, "i", "NO_IMAP"),
    (Flag.NO_SMTP, "s", "NO_SMTP"),
    (Flag.NO_POP, "p", "NO_POP"),
    (Flag.NO_WEBMAIL, "w", "NO_WEBMAIL"),
    (Flag.NO_PASSWORD_CHANGE, "d", "NO_PASSWD_CHNG"),
    (Flag.NO_RELAY, "r", "NO_RELAY"),
    (Flag.NO_DIALUP, "u", "NO_DIALUP"),
    (Flag.NO_SPAMASSASSIN, "c", "NO_SPAMASSASSIN"),
    (Flag.DELETE_SPAM, "x", "DEL_SPAM"),
    (Flag.NO_MAILDROP, "m", "NO_MAILDROP"),
)
_DENIES = {"a": 7, "c": DENY_CREATE, "m": DENY_MODIFY, "d": DENY_DELETE}


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vmoddomlimits: usage: [options] domain ",
        "options: -v ( display the vpopmail version number )",
        "         -d ( use the vlimits.default file, instead of domain )",
        "         -S ( show current settings )",
        "         -D ( delete limits for this domain, i.e. switch to default limits)",
        "         -Q quota-in-megabytes ( set domain disk quota, '100' = 100 MB )",
        "         -q quota-in-bytes ( set default user quota, '10M' = 10 MB )",
        "         -M count ( set domain max msg count )",
        "         -m count ( set default user max msg count )",
        "         -P count ( set max amount of pop accounts )",
        "         -A count ( set max amount of aliases )",
        "         -F count ( set max amount of forwards )",
        "         -R count ( set max amount of autoresponders )",
        "         -L count ( set max amount of mailing lists )",
        "the following options are bit flags in the gid int field",
        '         -g "flags"  (set flags, see below)',
        "         gid flags:",
        "            u ( set no dialup flag )",
        "            d ( set no password changing flag )",
        "            p ( set no pop access flag )",
        "            s ( set no smtp access flag )",
        "            w ( set no web mail access flag )",
        "            i ( set no imap access flag )",
        "            r ( set no external relay flag )",
        "            c ( set no spamassasssin flag )",
        "            x ( set delete spam flag )",
        "            m ( set no maildrop flag )",
        "the following options are bit flags for non postmaster admins",
        '         -p "flags"  (set pop account flags)',
        '         -a "flags"  (set alias flags)',
        '         -f "flags"  (set forward flags)',
        '         -r "flags"  (set autoresponder flags)',
        '         -l "flags"  (set mailinglist flags)',
        '         -u "flags"  (set mailinglist users flags)',
        '         -o "flags"  (set mailinglist moderators flags)',
        '         -x "flags"  (set quota flags)',
        '         -z "flags"  (set default quota flags)',
        "         perm flags:",
        "            a ( set deny all flag )",
        "            c ( set deny create flag )",
        "            m ( set deny modify flag )",
        "            d ( set deny delete flag )",
    )


def _run(words: list[bytes]) -> int:
    known = "vSDdQ:q:M:m:P:A:F:R:L:g:p:a:f:r:l:u:o:x:z:h"
    given, rest = vpopmail.arguments(NAME, words, known, _usage, least=0)
    is_default = "d" in given
    if not rest and not is_default:
        _usage()
        return -1
    site = vpopmail.site()
    return _default(site, given) if is_default else _domain(site, given, rest[0].lower())


def _default(site: Site, given: dict[str, bytes]) -> int:
    if "D" in given:
        leave(
            -1,
            "Default limits must not be deleted. If you really want to do this,",
            "remove the vlimits.default file.",
            "But be warned: this might stop vpopmail from working!!",
        )
    if "S" in given:
        path = site.etc(limits_files.DEFAULT_NAME)
        _show(f"Default limits: {path}", limits_files.read_default(site))
        return 0
    limits_files.change_default(site, Changes(), lambda limits: _altered(limits, given))
    return 0


def _domain(site: Site, given: dict[str, bytes], name: bytes) -> int:
    if site.find(name) is None:
        # vpopmail's says nothing and ends with 0, as if it had done something
        vpopmail.hint(NAME, f"{name.decode('utf-8', 'backslashreplace')}: no such domain")
        return 0 if "S" in given else -1
    domain = site.domain(name)
    if "D" in given:
        limits_files.remove(site, Changes(), domain)
        say("Limits deleted")
        return 0
    if "S" in given:
        _show(b"Domain: " + name, limits_files.read(site, domain))
        return 0
    limits_files.change(site, Changes(), domain, lambda limits: _altered(limits, given))
    return 0


def _altered(limits: Limits, given: dict[str, bytes]) -> Limits:
    changed: dict[str, int] = {
        field: vpopmail.number_of(given[letter])
        for letter, field in NUMBERS.items()
        if given.get(letter)
    }
    if given.get("q"):
        try:
            changed["default_quota"] = quota.parse(given["q"]).bytes_most
        except quota.QuotaError as error:
            leave(-1, f"Error: {error}")
    for letter, (field, _text) in RIGHTS.items():
        if letter in given:
            bits = 0
            for word in given[letter].decode("ascii", "replace"):
                bits |= _DENIES.get(word, 0)
            changed[field] = bits
    limits = replace(limits, **changed)  # type: ignore[arg-type]
    if "g" in given:
        letters = given["g"].decode("ascii", "replace")
        disabled = domain_limits.NOTHING
        for flag, letter, _name in SERVICES:
            if letter in letters:
                disabled |= flag
        limits = replace(limits, disabled=disabled)
    return limits


def _show(title: str | bytes, limits: Limits) -> None:
    say(
        title,
        "--",
        f"Max Pop Accounts: {limits.maxpopaccounts}",
        f"Max Aliases: {limits.maxaliases}",
        f"Max Forwards: {limits.maxforwards}",
        f"Max Autoresponders: {limits.maxautoresponders}",
        f"Max Mailinglists: {limits.maxmailinglists}",
        "GID Flags:",
    )
    off = [(letter, name) for flag, letter, name in SERVICES if limits.disabled & flag]
    say(*(f"  {name}" for _letter, name in off))
    say(f"Flags (for commandline): {''.join(letter for letter, _name in off)}")
    say("Flags for non postmaster accounts:")
    for field, text in RIGHTS.values():
        say(f"  {text:<24}{_rights(getattr(limits, field))}")
    say(
        f"Domain Quota: {limits.quota} MB",
        f"Default User Quota: {limits.default_quota} bytes",
        f"Max Domain Messages: {limits.maxmsgcount}",
        f"Default Max Messages per User: {limits.default_maxmsgcount}",
    )
    sys.stdout.flush()


def _rights(denied: int) -> str:
    words = ((DENY_CREATE, "CREATE"), (DENY_MODIFY, "MODIFY"), (DENY_DELETE, "DELETE"))
    return "".join(
        f"DENY_{word}  " if denied & bit else f"ALLOW_{word} " for bit, word in words
    )
