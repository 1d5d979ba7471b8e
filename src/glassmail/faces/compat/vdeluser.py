"""vdeluser USER@DOMAIN: remove a mailbox (vdeluser.c).

Unlike vpopmail's, its mail is moved to `.removed` in the domain's directory.
"""

from glassmail.admin import mailboxes
from glassmail.admin.changes import Changes
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import say

NAME = "vdeluser"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say("vdeluser: usage: [options] email_address", "options: -v (print version number)")


def _run(words: list[bytes]) -> int:
    _given, rest = vpopmail.arguments(NAME, words, "v", _usage)
    site = vpopmail.site()
    user, domain = vpopmail.parse_email(site, rest[0])
    changes = Changes()
    mailboxes.remove(site, changes, site.domain(domain), user)
    vpopmail.tell_notes(NAME, changes)
    return 0
