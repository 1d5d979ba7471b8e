"""vpasswd [-r] USER@DOMAIN [PASSWORD]: change a mailbox's password (vpasswd.c)."""

from glassmail.admin import mailboxes
from glassmail.admin.changes import Changes
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import say

NAME = "vpasswd"
RANDOM_LENGTH = b"8"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vpasswd: usage: [options] email_address [password]",
        "options: -v (print version number)",
        "         -r generate a random password",
    )


def _run(words: list[bytes]) -> int:
    given, rest = vpopmail.arguments(NAME, words, "vr", _usage)
    site = vpopmail.site()
    user, domain_name = vpopmail.parse_email(site, rest[0])
    domain = site.domain(domain_name)
    account = mailboxes.find(site, domain, user)
    is_random = "r" in given and len(rest) < 2
    if is_random:
        password = vpopmail.random_password(RANDOM_LENGTH)
    else:
        password = rest[1] if len(rest) > 1 else vpopmail.ask_password(rest[0])
    changes = Changes()
    mailboxes.set_password(site, changes, domain, account.name, password)
    vpopmail.tell_notes(NAME, changes)
    if is_random:
        say(b"Random password: " + password)
    return 0
