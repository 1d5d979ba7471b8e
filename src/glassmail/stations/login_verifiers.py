"""Can CRAM-MD5 and SCRAM-SHA-256 be offered? Only where every account has a verifier.

A client picks the strongest mechanism that it is offered. If one mailbox alone had no clear
password, its owner would be told "wrong password" for the right one. vpopmail keeps clear
passwords in the eighth field of vpasswd on sites that were built so.
"""

import os

from glassmail.core.formats import vpasswd
from glassmail.core.model.trail import UNKNOWN
from glassmail.core.protocol.sasl import CRAM_MD5, SCRAM_SHA_256
from glassmail.stations.logins import LoginSources
from glassmail.stations.users import find_user
from glassmail.store.control import ControlError, read_file


def verified_mechanisms(sources: LoginSources) -> tuple[bytes, ...]:
    """Return CRAM-MD5 and SCRAM-SHA-256 when every account of the site has a clear password."""
    if sources.order != (b"vpopmail",):
        return ()  # the system and programs know only hashes
    accounts = 0
    for name, entry in sources.tables.virtualdomains.entries.items():
        if not entry.value or name.startswith(b".") or b"@" in name:
            continue
        found = find_user(entry.value + b"-postmaster", sources.users)
        if found.user is None:
            if any(step.answer == UNKNOWN for step in found.steps):
                return ()
            continue
        count = _clear_passwords(found.user.home)
        if count is None:
            return ()
        accounts += count
    return (CRAM_MD5, SCRAM_SHA_256) if accounts else ()


def _clear_passwords(home: bytes) -> int | None:
    """Count the mailboxes of a domain; None when one has no clear password, or nobody can tell."""
    try:
        data = read_file(os.path.join(os.fsdecode(home), "vpasswd"))
    except ControlError:
        return None  # what cannot be read cannot be counted on
    if data is None:
        return None
    parsed = vpasswd.parse(data)
    if parsed.broken or not all(account.clear for account in parsed.accounts.values()):
        return None
    return len(parsed.accounts)
