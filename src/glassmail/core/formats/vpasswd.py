"""vpopmail's vpasswd: one mailbox a line, `user:crypt:1:flags:gecos:dir:quota:clear`.

Pure:
    bytes in, values out; store/accounts reads the files, admin/accounts writes them.

Always:
    - A line that cannot be read is kept in `broken` under its name, with file and line number, and
      spoils no other line: its mailbox is "cannot tell", not "no such mailbox".
    - Of two lines for one name the first is used, as by a search from the top (vcdb.c).
    - What is rendered is sorted by name, which vpopmail's own tools expect.
"""

from collections.abc import Iterable
from enum import IntFlag
from typing import NamedTuple

LINE_FIELDS = 7  # name to quota; the eighth, the clear password, is there only if built so


class Flag(IntFlag):
    """Bits of the fourth field (vauth.h)."""

    NO_PASSWORD_CHANGE = 0x01
    NO_POP = 0x02
    NO_WEBMAIL = 0x04
    NO_IMAP = 0x08
    BOUNCE_MAIL = 0x10
    NO_RELAY = 0x20
    NO_DIALUP = 0x40
    USER_0 = 0x80
    USER_1 = 0x100
    USER_2 = 0x200
    USER_3 = 0x400
    NO_SMTP = 0x800
    DOMAIN_ADMIN = 0x1000
    OVERRIDE_LIMITS = 0x2000
    NO_SPAMASSASSIN = 0x4000
    DELETE_SPAM = 0x8000
    SYSTEM_ADMIN = 0x1_0000
    SYSTEM_EXPERT = 0x2_0000
    NO_MAILDROP = 0x4_0000


class Account(NamedTuple):
    """One mailbox.

    Attributes:
        name: local part, lower case.
        crypted: password hash of crypt(3) or argon2.
        uid_field: third field, 1 by habit (an old APOP mark); kept as written.
        flags: bits of Flag.
        gecos: the owner's name or a comment.
        directory: the mailbox's directory, which holds Maildir.
        quota: as written, `NOQUOTA`, `20000S`, `1000000S,1000C`.
        clear: the password itself on sites that keep it, else empty.
    """

    name: bytes
    crypted: bytes
    uid_field: bytes
    flags: int
    gecos: bytes
    directory: bytes
    quota: bytes
    clear: bytes = b""


class Vpasswd(NamedTuple):
    """A whole file.

    Attributes:
        accounts: by name.
        broken: name of a line that cannot be read -> what is wrong, with file and line.
    """

    accounts: dict[bytes, Account]
    broken: dict[bytes, str]


class RecordError(ValueError):
    """A line cannot be read; the text says why."""


def parse_record(name: bytes, rest: bytes) -> Account:
    """Read what follows `name:` in a line, which is also the data of vpasswd.cdb.

    Raises:
        RecordError: when there are too few fields or the flags are no number.
    """
    fields = rest.split(b":", 6)
    if len(fields) < LINE_FIELDS - 1:
        raise RecordError(f"{len(fields) + 1} fields, there must be {LINE_FIELDS} or 8")
    crypted, uid_field, flags, gecos, directory, quota = fields[:6]
    if not name:
        raise RecordError("no name before the first colon")
    if b"\0" in rest or b"\0" in name:
        raise RecordError("a NUL byte")
    if not flags or flags.strip(b"0123456789") or len(flags) > 10:
        raise RecordError("the fourth field, the flags, is no number")
    clear = fields[6] if len(fields) > 6 else b""
    return Account(name, crypted, uid_field, int(flags), gecos, directory, quota, clear)


def render_line(account: Account) -> bytes:
    """Write a line without its end."""
    return account.name + b":" + render_record(account)


def render_record(account: Account) -> bytes:
    """Write what follows `name:`; the clear password's field only when there is one."""
    fields = [
        account.crypted,
        account.uid_field,
        b"%d" % account.flags,
        account.gecos,
        account.directory,
        account.quota,
    ]
    if account.clear:
        fields.append(account.clear)
    return b":".join(fields)


def parse(data: bytes, name: str = "vpasswd") -> Vpasswd:
    """Read a whole file; `name` is what problems call it."""
    accounts: dict[bytes, Account] = {}
    broken: dict[bytes, str] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line:
            continue
        user, _colon, rest = line.partition(b":")
        try:
            account = parse_record(user, rest)
        except RecordError as error:
            broken.setdefault(user, f"{name}:{number}: {error}: write the line anew")
            continue
        accounts.setdefault(user, account)
    return Vpasswd(accounts, broken)


def render(accounts: Iterable[Account]) -> bytes:
    """Write a whole file, sorted by name."""
    ordered = sorted(accounts, key=lambda account: account.name)
    return b"".join(render_line(account) + b"\n" for account in ordered)
