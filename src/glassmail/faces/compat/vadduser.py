"""vadduser [options] USER@DOMAIN [PASSWORD]: make a mailbox (vadduser.c)."""

from glassmail.admin import mailboxes
from glassmail.admin.account_rules import check_name
from glassmail.admin.changes import Changes
from glassmail.admin.mailboxes import NewMailbox
from glassmail.core.model.trail import YES
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say
from glassmail.stations.rights import as_user

NAME = "vadduser"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vadduser: usage: [options] email_address [passwd]",
        "options: -v (print the version)",
        "         -q quota_in_bytes (sets the users quota, use NOQUOTA for unlimited)",
        "         -c comment (sets the gecos comment field)",
        "         -e standard_encrypted_password",
        "         -n no_password",
        "         -r[len] (generate a len (default 12) char random password)",
    )


def _run(words: list[bytes]) -> int:
    given, rest = vpopmail.arguments(NAME, words, "svc:nq:e:r::", _usage)
    if "s" in given:
        vpopmail.hint("Warning", "The -s option has been disabled.")
    if "r" in given and len(rest) > 1 and "n" not in given:
        leave(-1, "Error: don't use -r option when giving password on command line")
    site = vpopmail.site()
    user, domain = vpopmail.parse_email(site, rest[0])
    if not domain:
        leave(
            -1,
            "You did not use a full email address for the user name",
            "Only full email addresses should be used",
        )
    if site.find(domain) is None:
        leave(-1, "Error: Domain does not exist")
    check_name(user)
    real = site.domain(domain)
    with as_user(*real.owner):
        if site.writer.find(real, user).answer == YES:
            leave(-1, "Error: User already exists")
    crypted = mailboxes.LOCKED if "n" in given else given.get("e", b"")
    password = b""
    if "r" in given:
        password = vpopmail.random_password(given["r"])
    elif not crypted:
        password = rest[1] if len(rest) > 1 else vpopmail.ask_password(rest[0])
        if not password:
            say("Error: No password entered")
            _usage()
            return -1
    new = NewMailbox(user, password, given.get("q", b""), given.get("c", b""), crypted)
    changes = Changes()
    mailboxes.add(site, changes, domain, [new])
    vpopmail.tell_notes(NAME, changes)
    if "r" in given:
        say(b"Random password: " + password)
    return 0
