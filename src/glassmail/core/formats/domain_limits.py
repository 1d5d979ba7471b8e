"""`.qmailadmin-limits` and `vlimits.default`: what a domain may have, and what its users may do.

Lines are `name: value` or `name value`; bare words switch a service off for all of the domain
(vlimits.c). -1 means no limit for a number of things, 0 for a size.

QUIRK: vpopmail reads the rights to a list's users and moderators from the upper bits of
perm_maillist, but writes them into perm_quota. Here they are written where they are read.
"""

from dataclasses import dataclass, fields, replace

from glassmail.core.formats.vpasswd import Flag

__all__ = [
    "FILE_NAME",
    "NAMES",
    "NOTHING",
    "SERVICES",
    "Flag",
    "Limits",
    "LimitsError",
    "flags_of",
    "parse",
    "render",
]

FILE_NAME = ".qmailadmin-limits"
DENY_CREATE, DENY_MODIFY, DENY_DELETE = 1, 2, 4
DENY_ALL = 7
_DENY_BITS = 3
_DIGITS_MAX = 18
NOTHING = Flag(0)


class LimitsError(ValueError):
    """A file of limits cannot be read; the text names it and the line."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one domain; the fields' order is that of the file.

    Attributes:
        maxpopaccounts: mailboxes; as the next four, -1 for any number.
        maxaliases: addresses that go on to one of the domain itself.
        maxforwards: addresses that go on elsewhere.
        maxautoresponders: as named.
        maxmailinglists: as named.
        quota: megabytes of the whole domain, 0 for any.
        maxmsgcount: messages of the whole domain, 0 for any.
        default_quota: bytes that a new mailbox may hold, 0 for any.
        default_maxmsgcount: messages that a new mailbox may hold, 0 for any.
        disabled: services switched off for everybody (Flag), and DELETE_SPAM.
        perm_account: DENY_* bits for domain administrators who are not the postmaster; so below.
    """

    maxpopaccounts: int = -1
    maxaliases: int = -1
    maxforwards: int = -1
    maxautoresponders: int = -1
    maxmailinglists: int = -1
    quota: int = 0
    maxmsgcount: int = 0
    default_quota: int = 0
    default_maxmsgcount: int = 0
    disabled: Flag = NOTHING
    perm_account: int = 0
    perm_alias: int = 0
    perm_forward: int = 0
    perm_autoresponder: int = 0
    perm_maillist: int = 0
    perm_quota: int = 0
    perm_defaultquota: int = 0
    perm_maillist_users: int = 0
    perm_maillist_moderators: int = 0


SERVICES: dict[bytes, Flag] = {  # in vpopmail's order
    b"disable_pop": Flag.NO_POP,
    b"disable_imap": Flag.NO_IMAP,
    b"disable_dialup": Flag.NO_DIALUP,
    b"disable_password_changing": Flag.NO_PASSWORD_CHANGE,
    b"disable_webmail": Flag.NO_WEBMAIL,
    b"disable_external_relay": Flag.NO_RELAY,
    b"disable_smtp": Flag.NO_SMTP,
    b"disable_spamassassin": Flag.NO_SPAMASSASSIN,
    b"delete_spam": Flag.DELETE_SPAM,
    b"disable_maildrop": Flag.NO_MAILDROP,
}
NAMES = tuple(field.name for field in fields(Limits))
_NUMBERS = tuple(name for name in NAMES if name != "disabled")[:16]  # lists' rights share one


def flags_of(number: int) -> Flag:
    """Return the services that a number of flags switches off."""
    disabled = NOTHING
    for flag in SERVICES.values():
        if number & flag:
            disabled |= flag
    return disabled


def parse(data: bytes, name: str = FILE_NAME) -> Limits:
    """Read a file of limits; names it does not know are passed over, as by vpopmail.

    Raises:
        LimitsError: a value is no number.
    """
    values: dict[str, int] = {}
    disabled = NOTHING
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.strip(b" \t\r")
        if not line or line.startswith(b"#"):
            continue
        words = line.replace(b":", b" ").replace(b"\t", b" ").split()
        if words and words[0] in SERVICES:
            disabled |= SERVICES[words[0]]
        key = words[0].decode("ascii", "replace") if words else ""
        if key in _NUMBERS and len(words) > 1:
            values[key] = _number(words[1], f"{name}:{number}")
    lists = values.get("perm_maillist", 0)
    for key in values:
        if key.startswith("perm_"):
            values[key] &= DENY_ALL
    return Limits(
        **values,
        disabled=disabled,
        perm_maillist_users=lists >> _DENY_BITS & DENY_ALL,
        perm_maillist_moderators=lists >> 2 * _DENY_BITS & DENY_ALL,
    )


def render(limits: Limits) -> bytes:
    """Write a file of limits as vpopmail does."""
    users, moderators = limits.perm_maillist_users, limits.perm_maillist_moderators
    lists = limits.perm_maillist | users << _DENY_BITS | moderators << 2 * _DENY_BITS
    limits = replace(limits, perm_maillist=lists)
    lines = []
    for name in _NUMBERS:
        if name == "perm_account":
            lines += [word + b"\n" for word, flag in SERVICES.items() if limits.disabled & flag]
        lines.append(b"%s: %d\n" % (name.encode("ascii"), getattr(limits, name)))
    return b"".join(lines)


def _number(text: bytes, where: str) -> int:
    digits = text.removeprefix(b"-")
    if not digits or len(digits) > _DIGITS_MAX or digits.strip(b"0123456789"):
        shown = text.decode("ascii", "backslashreplace")
        raise LimitsError(f"{where}: {shown} is no number: write the line anew")
    return int(text)
