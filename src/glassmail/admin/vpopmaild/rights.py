"""Who may do what in vpopmaild: a system's administrator all, a domain's its own, a user himself.

The flags of the account that logged in decide (SA_ADMIN 0x10000, QA_ADMIN 0x1000). postmaster is
an administrator of its domain only when it has the flag. Of a domain's administrators all but the
postmaster are bound by the rights of its limits, `perm_account` and its like.
"""

from typing import NamedTuple

from glassmail.admin.virtual_domains import POSTMASTER
from glassmail.core.formats.vpasswd import Account, Flag
from glassmail.stations import deliver_own
from glassmail.store.account_writer import Domain

# What nobody but a system administrator may give or take.
SYSTEM_FLAGS = Flag.SYSTEM_ADMIN | Flag.SYSTEM_EXPERT | Flag.OVERRIDE_LIMITS
# What a user may not change of himself.
ADMINISTRATORS_FLAGS = ~(Flag.USER_0 | Flag.USER_1 | Flag.USER_2 | Flag.USER_3)


class Who(NamedTuple):
    """Who has logged in.

    Attributes:
        account: as it was then.
        domain: its real domain.
        is_compact: whether flags are told as one number.
    """

    account: Account
    domain: Domain
    is_compact: bool = False

    @property
    def is_system(self) -> bool:
        """A system administrator."""
        return bool(self.account.flags & Flag.SYSTEM_ADMIN)

    @property
    def is_domain_admin(self) -> bool:
        """An administrator of the account's own domain, or of all."""
        return self.is_system or bool(self.account.flags & Flag.DOMAIN_ADMIN)

    @property
    def is_bound(self) -> bool:
        """Tell whether the rights in a domain's limits bind him."""
        return not self.is_system and self.account.name != POSTMASTER

    def may_touch(self, account: Account) -> bool:
        """Tell whether he may change, remove or see the password of an account in his reach.

        A domain's administrator must not become a system's by an account of the domain.
        """
        return self.is_system or not account.flags & (Flag.SYSTEM_ADMIN | Flag.SYSTEM_EXPERT)

    def may_domain(self, name: bytes) -> bool:
        """Tell whether he may see and change everything in a domain."""
        return self.is_system or (self.is_domain_admin and name == self.domain.name)

    def may_user(self, name: bytes, domain: bytes) -> bool:
        """Tell whether he may see a mailbox: his own, or of a domain of his."""
        is_self = (name, domain) == (self.account.name, self.domain.name)
        return is_self or self.may_domain(domain)


def is_harmless(line: bytes) -> bool:
    """Tell whether a dot-qmail line may be written by one who is no system administrator.

    Programs run, and files are written, with the rights of all virtual domains together: allowed
    are addresses, Maildirs below the directory, and the answering programs of this server.
    """
    line = line.strip()
    if line.startswith(b"|"):
        call = deliver_own.parse(line[1:], ())
        if call is None or call.program not in _PROGRAMS:
            return False
        # Their texts and records lie below the directory: another's mail is no text to answer by.
        return not any(word.startswith(b"/") or b".." in word for word in call.arguments)
    if line.startswith(b"/"):
        return False
    return b".." not in line.split(b"/") if line.startswith(b".") else True


_PROGRAMS = (b"vacation", b"autorespond", b"forward", b"bouncesaying")
