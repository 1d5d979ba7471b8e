"""Services that a domain's limits switch off for all of its mailboxes.

vpopmail reads them with every login: `.qmailadmin-limits` in the domain's directory, else
`etc/vlimits.default` beside `domains` (vlimits.c vget_limits, vlimits_setflags).
"""

import os
from typing import NamedTuple

from glassmail.core.formats import domain_limits
from glassmail.core.formats.domain_limits import LimitsError
from glassmail.core.formats.vpasswd import Flag

_BYTES_MAX = 65_536
_DEFAULT = b"etc/vlimits.default"


class SwitchedOff(NamedTuple):
    """Flags that count besides an account's own, and the file that says so."""

    flags: int
    source: str


NOTHING = SwitchedOff(0, "")


def effective_flags(flags: int, domain_directory: bytes) -> SwitchedOff:
    """Add what the domain switches off to an account's flags, unless it is above the limits."""
    if flags & Flag.OVERRIDE_LIMITS:
        return SwitchedOff(flags, "")
    off = switched_off(domain_directory)
    return SwitchedOff(flags | off.flags, off.source if off.flags & ~flags else "")


def switched_off(domain_directory: bytes) -> SwitchedOff:
    """Return what a domain switches off; a file that cannot be read switches nothing off.

    vpopmail, too, goes by the account's own flags then.
    """
    own = os.path.join(domain_directory, os.fsencode(domain_limits.FILE_NAME))
    home, found, _rest = domain_directory.rpartition(b"/domains/")
    for path in (own, os.path.join(home, _DEFAULT) if found else b""):
        if not path:
            continue
        try:
            number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # the next one counts then
        try:
            limits = domain_limits.parse(os.read(number, _BYTES_MAX), os.fsdecode(path))
        except (OSError, LimitsError):
            return NOTHING
        finally:
            os.close(number)
        return SwitchedOff(int(limits.disabled), os.fsdecode(path))
    return NOTHING
