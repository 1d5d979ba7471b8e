"""vsetuserquota USER@DOMAIN|DOMAIN QUOTA: set one mailbox's quota, or all of a domain's."""

from glassmail.admin import mailboxes
from glassmail.admin.account_rules import check_quota
from glassmail.admin.changes import Changes
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import say

NAME = "vsetuserquota"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vsetuserquota: [options] email_address|domain_name quota",
        "options:",
        "-v (print version number)",
        "",
        "If you specify a domain name rather than an email address,",
        "the quota will be applied to all users in that domain",
    )


def _run(words: list[bytes]) -> int:
    _given, rest = vpopmail.arguments(NAME, words, "v", _usage, least=2)
    site = vpopmail.site()
    names, domain_name = vpopmail.parse_names(site, rest[0])
    domain = site.domain(domain_name)
    quota = check_quota(rest[1])
    changes = Changes()
    mailboxes.change(site, changes, domain, names, lambda account: account._replace(quota=quota))
    vpopmail.tell_notes(NAME, changes)
    return 0
