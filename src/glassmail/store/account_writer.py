"""Who changes the accounts of virtual domains: one Protocol, whatever keeps them.

Purpose:
    The commands (vadduser and its like, `glass user`) and the servers that change accounts
    (vpopmaild) speak to an AccountWriter. vpasswd.py keeps accounts in vpopmail's files; a data
    base implements the same operations. What is a file whatever keeps the accounts (users/assign,
    control files, dot-qmail files, limits, directories of mail) is not here but in admin/.

Always:
    - Each operation is one transaction: it is done whole, and durable when it returns, or it
      changed nothing. Operations of several processes at once lose none.
    - A writer checks no names and no rules but "taken", "missing" and the number of accounts,
      since these three need its lock; admin/ has checked the rest.
    - A domain is named by its real name; alias domains were resolved before.

Refuses:
    AccountChangeError with a text for the administrator, and nothing is changed.
"""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from glassmail.core.formats.vpasswd import Account, Vpasswd
from glassmail.store.accounts import Found

NO_LIMIT = -1

Change = Callable[[Account], Account]


class AccountChangeError(Exception):
    """Accounts cannot be changed; the text says what and why."""


class TakenError(AccountChangeError):
    """An account of this name exists already."""


class MissingError(AccountChangeError):
    """There is no account of this name."""


class TooManyError(AccountChangeError):
    """The domain would have more accounts than its limits allow."""


class Domain(NamedTuple):
    """A real virtual domain.

    Attributes:
        name: in lower case.
        directory: where its mail and its dot-qmail files lie.
        owner: (uid, gid) of what is made there.
    """

    name: bytes
    directory: str
    owner: tuple[int, int]


class Changed(NamedTuple):
    """One account before and after a change."""

    before: Account
    after: Account


class AccountWriter(Protocol):
    """Reads and changes the accounts of virtual domains."""

    @property
    def is_in_directory(self) -> bool:
        """Whether the accounts lie in the domain's directory and move with it."""
        ...

    def create(self, domain: Domain) -> None:
        """Begin an empty table of accounts; one that is there is mended, if it needs to be."""
        ...

    def reach(self, domain: Domain) -> None:
        """Raise AccountChangeError unless a domain's accounts, a new one's too, can be changed."""
        ...

    def drop(self, domain: Domain) -> None:
        """Forget the table of a domain; the caller removes its directory afterwards."""
        ...

    def read(self, domain: Domain) -> Vpasswd:
        """Return all accounts in the order of their names, and the lines nobody can read."""
        ...

    def find(self, domain: Domain, name: bytes) -> Found:
        """Return one account: yes, no or cannot tell, with its source."""
        ...

    def count(self, domain: Domain) -> int:
        """Return how many accounts there are."""
        ...

    def add(self, domain: Domain, accounts: Sequence[Account], count_max: int = NO_LIMIT) -> None:
        """Add accounts, all or none.

        Raises:
            TakenError, TooManyError (more than `count_max` in all), AccountChangeError.
        """
        ...

    def change(
        self, domain: Domain, names: Collection[bytes] | None, change: Change
    ) -> list[Changed]:
        """Replace accounts by what `change` makes of each; None for all of the domain.

        A change keeps name and, unless it moves the mail itself, directory.

        Returns:
            The accounts that differ afterwards.

        Raises:
            MissingError, AccountChangeError; whatever `change` raises goes through.
        """
        ...

    def remove(self, domain: Domain, name: bytes) -> Account:
        """Remove an account and return it; its mail stays where it is.

        Raises:
            MissingError, AccountChangeError.
        """
        ...
