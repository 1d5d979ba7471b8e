"""vadddomain [options] DOMAIN [PASSWORD]: make a virtual domain (vadddomain.c)."""

import os
import pwd

from glassmail.admin import virtual_domains
from glassmail.admin.account_rules import check_domain, check_name
from glassmail.admin.changes import Changes
from glassmail.admin.mailboxes import NewMailbox
from glassmail.admin.virtual_domains import NewDomain
from glassmail.core.model.vpopmail_faults import TEXTS, Fault
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say
from glassmail.stations.rights import ID_MAX

NAME = "vadddomain"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vadddomain: usage: vadddomain [options] virtual_domain [postmaster password]",
        "options: -v prints the version",
        "         -q quota_in_bytes (sets the quota for postmaster account)",
        "         -b (bounces all mail that doesn't match a user)",
        "         -e email_address (forwards all non matching user to this address [*])",
        "         -u user (sets the uid/gid based on a user in /etc/passwd)",
        "         -d dir (sets the dir to use for this domain)",
        "         -i uid (sets the uid to use for this domain)",
        "         -g gid (sets the gid to use for this domain)",
        "         -O (the server is told to read its tables all the same)",
        "         -r[len] (generate a len (default 12) char random postmaster password)",
        "",
        " [*] omit @-sign to deliver directly into user's Maildir: '-e postmaster'",
    )


def _run(words: list[bytes]) -> int:
    given, rest = vpopmail.arguments(NAME, words, "q:be:u:vi:g:d:Or::", _usage, too_few=0)
    site = vpopmail.site()
    changes = Changes()
    virtual_domains.finish(site, changes)
    domain = rest[0].lower()
    if site.find(domain) is not None:
        leave(
            Fault.DOMAIN_ALREADY_EXISTS, "Error: " + TEXTS[Fault.DOMAIN_ALREADY_EXISTS]
        )
    check_domain(domain)
    ids, home = _owner(given, site.owner)
    home = os.fsdecode(given["d"]) if "d" in given else home
    parent = os.path.join(os.path.abspath(home), "domains") if home else ""
    directory = os.path.join(parent or site.domains, os.fsdecode(domain))
    is_random = "r" in given
    if is_random and len(rest) > 1:
        leave(-1, "Error: don't use -r option when giving password on command line")
    if is_random:
        password = vpopmail.random_password(given["r"])
    else:
        password = rest[1] if len(rest) > 1 else vpopmail.ask_password(b"postmaster")
    postmaster = NewMailbox(b"postmaster", password, given.get("q", b""), b"Postmaster")
    catch_all = _catch_all(given, os.fsencode(directory))
    new = NewDomain(domain, catch_all, postmaster, parent, ids)
    virtual_domains.add(site, changes, new)
    vpopmail.tell_notes(NAME, changes)
    if is_random:
        say(b"Random password: " + password)
    return 0


def _owner(given: dict[str, bytes], own: tuple[int, int]) -> tuple[tuple[int, int], str]:
    """Return uid and gid, and the home of a user named by -u."""
    uid, gid = own
    home = ""
    if "u" in given:
        name = os.fsdecode(given["u"])
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            leave(-1, f"Error: user {name} not found in /etc/passwd")
        uid, gid, home = user.pw_uid, user.pw_gid, user.pw_dir
    if "i" in given:
        uid = _id(given["i"])
    if "g" in given:
        gid = _id(given["g"])
    return (uid, gid), home


def _id(text: bytes) -> int:
    number = vpopmail.number_of(text)
    if not 0 <= number <= ID_MAX:
        leave(-1, f"Error: {number} is no user or group: they are 0 to {ID_MAX}")
    return number


def _catch_all(given: dict[str, bytes], directory: bytes) -> bytes:
    wanted = given.get("e", b"")
    if wanted:
        return wanted if b"@" in wanted else directory + b"/" + check_name(wanted)
    return b"bounce-no-mailbox" if "b" in given else b"delete"
