"""vpopmaild's commands about aliases.

The numbers in a domain's limits bind everybody; the rights, such as `perm_forward`, bind its
administrators except the postmaster, and by what the alias is and becomes.
"""

from collections.abc import Sequence

from glassmail.admin import aliases, limits_files
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.admin.vpopmaild import users, words
from glassmail.admin.vpopmaild.rights import Who, is_harmless
from glassmail.admin.vpopmaild.words import Kind
from glassmail.core.formats.domain_limits import DENY_CREATE, DENY_DELETE, DENY_MODIFY
from glassmail.core.route.alias_kind import kind_of
from glassmail.store.account_writer import Domain


class AliasCommands:
    """The commands, for one who has logged in."""

    def __init__(self, site: Site, who: Who) -> None:
        self._site = site
        self._who = who

    def add_alias(self, rest: bytes) -> bytes:
        """Add a line to an alias, made if need be."""
        address, _, line = rest.partition(b" ")
        name, domain, problem = users.address_of(self._site, self._who, address, 900)
        if domain is None:
            return problem
        if not line.strip():
            return words.fault(Kind.VALUE_REQUIRED, 904)
        if not self._who.is_system and not is_harmless(line):
            return words.fault(Kind.NOT_AUTHORIZED, 905)
        before = aliases.find(domain, name)
        if is_denied(self._site, self._who, domain, before, (*before, line.strip())):
            return words.fault(Kind.NOT_AUTHORIZED, 906)
        aliases.add_lines(self._site, Changes(), domain, name, [line.strip()])
        return words.OK

    def remove_alias(self, rest: bytes) -> bytes:
        """Remove a line of an alias."""
        address, _, line = rest.partition(b" ")
        name, domain, problem = users.address_of(self._site, self._who, address, 1000)
        if domain is None:
            return problem
        if not line.strip():
            return words.fault(Kind.VALUE_REQUIRED, 1004)
        before = aliases.find(domain, name)
        after = [each for each in before if each != line.strip()]
        if is_denied(self._site, self._who, domain, before, after):
            return words.fault(Kind.NOT_AUTHORIZED, 1006)
        aliases.remove(self._site, Changes(), domain, name, [line.strip()])
        return words.OK

    def delete_alias(self, rest: bytes) -> bytes:
        """Remove an alias."""
        name, domain, problem = users.address_of(self._site, self._who, rest, 1200)
        if domain is None:
            return problem
        if is_denied(self._site, self._who, domain, aliases.find(domain, name), ()):
            return words.fault(Kind.NOT_AUTHORIZED, 1206)
        aliases.remove(self._site, Changes(), domain, name)
        return words.OK

    def list_alias(self, rest: bytes) -> bytes:
        """List the aliases of a domain, or one."""
        only, at, name = rest.rpartition(b"@")
        domain, problem = users.domain_of(self._site, self._who, name, 1300)
        if domain is None:
            return problem
        found = aliases.listed(domain)
        shown = [alias for alias in found if not at or alias.name == only.lower()]
        return words.listing(
            *(
                alias.name + b"@" + domain.name + b" " + line
                for alias in shown
                for line in alias.lines
            )
        )


def is_denied(
    site: Site, who: Who, domain: Domain, before: Sequence[bytes], after: Sequence[bytes]
) -> bool:
    """Tell whether a domain's limits keep its administrator from changing an alias so.

    Args:
        site: the site.
        who: who wants it.
        domain: the alias's.
        before: its lines; none when there is no such alias.
        after: the lines that it shall have; none when it is to go.
    """
    if not who.is_bound:
        return False
    limits = limits_files.read(site, domain)
    old, new = kind_of(before, domain.name), kind_of(after, domain.name)
    if before and after and old is new:
        return bool(old.denied(limits) & DENY_MODIFY)
    is_gone = before and old.denied(limits) & DENY_DELETE
    is_made = after and new.denied(limits) & DENY_CREATE
    return bool(is_gone or is_made)
