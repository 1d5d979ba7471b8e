"""From lines of a passwd file to lines of users/assign (qmail-pw2u.c)."""

from collections.abc import Sequence
from typing import NamedTuple

from glassmail.core.formats.control import Table


class NoSuchUserError(Exception):
    """A line of users/subusers names a user that has no account; `name` says which."""

    def __init__(self, name: bytes) -> None:
        super().__init__(name)
        self.name = name


class Options(NamedTuple):
    """The command's options.

    Attributes:
        dash: `-`, or `-/` with the option -/.
        home_rule: 2 skips accounts without a home of their own, 1 stops at a missing one, 0
            takes all.
        skips_upper: whether names with upper-case letters are passed over.
        break_character: empty for no extensions at all.
    """

    dash: bytes = b"-"
    home_rule: int = 2
    skips_upper: bool = True
    break_character: bytes = b"-"


class Lists(NamedTuple):
    """users/include, users/exclude, users/mailnames; each counts only when present."""

    include: Table
    exclude: Table
    mailnames: Table


class Account(NamedTuple):
    """One account that takes mail."""

    name: bytes
    uid: bytes
    gid: bytes
    home: bytes

    @property
    def uid_number(self) -> int:
        """Return the uid as a number (scan_ulong: the decimal prefix)."""
        digits = self.uid[: len(self.uid) - len(self.uid.lstrip(b"0123456789"))]
        return int(digits[-20:]) if digits else 0

    @property
    def middle(self) -> bytes:
        """Return the fields between local part and dash, with the colons around them."""
        return b":" + b":".join((self.name, self.uid, self.gid, self.home)) + b":"


def read_account(line: bytes, options: Options, lists: Lists) -> Account | None:
    """Read a line of a passwd file; None when it is none, or its account takes no mail."""
    fields = line.split(b":", 6)
    if len(fields) < 7 or b"\0" in line:
        return None
    account = Account(fields[0], fields[2], fields[3], fields[5])
    if account.uid_number == 0:
        return None
    if options.skips_upper and account.name != account.name.lower():
        return None
    key = account.name.lower()
    if lists.include.is_present and lists.include.find(key) is None:
        return None
    return None if lists.exclude.find(key) is not None else account


def account_lines(account: Account, alias: bytes, options: Options, lists: Lists) -> bytes:
    """Write the lines of an account: one for each of its mail names, and their extensions."""
    out = []
    if account.name == alias:
        out.append(b"+" + account.middle + options.dash + b"::\n")
    entry = lists.mailnames.find(account.name.lower())
    names = account.name if entry is None else entry.value
    for name in filter(None, names.split(b":")):
        out.append(b"=" + name + account.middle + b"::\n")
        if options.break_character:
            first = b"+" + name + options.break_character
            out.append(first + account.middle + options.dash + b"::\n")
    return b"".join(out)


def subuser_lines(data: bytes, accounts: Sequence[Account], options: Options) -> bytes:
    """Write the lines of users/subusers, `sub:user:extension:`; raises NoSuchUserError."""
    by_name = {account.name.lower(): account for account in accounts}  # the last one counts
    out = []
    for line in data.split(b"\n"):
        fields = line.split(b":", 3)
        if len(fields) < 3:
            continue
        sub, user, ext = fields[:3]
        account = by_name.get(user.lower())
        if account is None:
            raise NoSuchUserError(user)
        if len(fields) < 4:
            continue
        middle = account.middle + options.dash + b":" + ext
        out.append(b"=" + sub + middle + b":\n")
        if options.break_character:
            out.append(b"+" + sub + options.break_character + middle + b"-:\n")
    return b"".join(out)
