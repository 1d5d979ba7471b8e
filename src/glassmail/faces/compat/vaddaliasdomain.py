"""vaddaliasdomain REAL ALIAS: give a domain the mailboxes of another (vaddaliasdomain.c)."""

from glassmail.admin import virtual_domains
from glassmail.admin.changes import Changes
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say

NAME = "vaddaliasdomain"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vaddaliasdomain: usage: [options] real_domain alias_domain",
        "options: -v (print version number)",
        "note: for backward compatability, you can swap real_domain and alias_domain.",
    )


def _run(words: list[bytes]) -> int:
    _given, rest = vpopmail.arguments(NAME, words, "v", _usage, least=2)
    first, second = rest[0].lower(), rest[1].lower()
    if first == second:
        say("Error: real domain and alias domain are the same!")
        _usage()
        return -1
    site = vpopmail.site()
    changes = Changes()
    virtual_domains.finish(site, changes)
    has_first, has_second = site.find(first) is not None, site.find(second) is not None
    if has_first and has_second:
        leave(-1, "Error: Both domains already exist, unable to create alias.")
    if not has_first and not has_second:
        leave(
            -1,
            b"Error: Neither '%s' or '%s'  exist, unable to create alias." % (first, second),
        )
    real, alias = (first, second) if has_first else (second, first)
    virtual_domains.add_alias(site, changes, alias, real)
    vpopmail.tell_notes(NAME, changes)
    return 0
