"""vdeldomain [-f] DOMAIN: remove a virtual domain, or an alias domain alone (vdeldomain.c).

Unlike vpopmail's, the domain's directory is moved to `.removed` beside it.
"""

from glassmail.admin import virtual_domains
from glassmail.admin.changes import Changes
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.faces.compat import vpopmail
from glassmail.faces.compat.vpopmail import leave, say

NAME = "vdeldomain"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    return vpopmail.run(NAME, _run, argv)


def _usage() -> None:
    say(
        "vdeldomain: usage: [options] domain_name",
        "options: -v (print version number)",
        "options: -f (force delete of virtual domains)",
    )


def _run(words: list[bytes]) -> int:
    given, rest = vpopmail.arguments(NAME, words, "vf", _usage, too_few=0)
    site = vpopmail.site()
    changes = Changes()
    virtual_domains.finish(site, changes)
    domain = rest[0].lower()
    entry = site.find(domain)
    if entry is None:
        leave(Fault.DOMAIN_DOES_NOT_EXIST, "Error: Domain does not exist")
    aliases = [] if entry.is_alias else virtual_domains.aliases_of(site, domain)
    if aliases:
        did = "deleted" if "f" in given else "exist"
        say(f"Warning: Alias domains {did}:", *(b"   " + alias for alias in aliases))
        if "f" not in given:
            leave(0, "   use -f to force delete of domain and all aliases")
    virtual_domains.remove(site, changes, domain)
    vpopmail.tell_notes(NAME, changes)
    return 0
