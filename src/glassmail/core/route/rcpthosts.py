"""Whether clients without relaying rights may send to a recipient's domain (rcpthosts.c)."""

from glassmail.core.formats.cdb import CdbLookup
from glassmail.core.formats.control import Table, show
from glassmail.core.model.trail import NO, YES, Step

MORE = "control/morercpthosts.cdb"


def is_allowed(recipient: bytes, rcpthosts: Table, more: CdbLookup | None) -> tuple[bool, Step]:
    """Tell whether rcpthosts or morercpthosts.cdb lists the recipient's domain.

    Without a file rcpthosts every domain is allowed, and the cdb is not looked at. A recipient
    without `@` is allowed: envnoathost is ours. Listed is the domain itself, or any suffix of it
    that starts at a dot.

    Args:
        recipient: the envelope recipient.
        rcpthosts: control/rcpthosts, as read.
        more: control/morercpthosts.cdb, None when there is none.

    Returns:
        (allowed, the question with its answer and source).
    """
    at = recipient.rfind(b"@")
    domain = recipient[at + 1 :].lower()
    if not rcpthosts.is_present:
        source = f"{rcpthosts.summary}: every domain is accepted"
        return True, Step("routing.rcpthosts", domain, YES, source)
    if at < 0:
        source = "it names no domain: envnoathost is ours"
        return True, Step("routing.rcpthosts", domain, YES, source)
    entries = rcpthosts.entries
    keys = _keys(domain)
    for key in keys:
        entry = entries.get(key)
        if entry is not None:
            return True, Step("routing.rcpthosts", domain, YES, entry.source)
    if more is None:
        return False, Step("routing.rcpthosts", domain, NO, rcpthosts.summary)
    for key in keys:
        if more.find(key) is not None:
            return True, Step("routing.rcpthosts", domain, YES, f"{MORE} {show(key)}")
    return False, Step("routing.rcpthosts", domain, NO, f"{rcpthosts.summary}, {MORE}")


def _keys(domain: bytes) -> list[bytes]:
    # rcpthosts.c: an empty domain has no key at all.
    keys = [domain] if domain else []
    dot = domain.find(b".", 1)
    while dot > 0:
        keys.append(domain[dot:])
        dot = domain.find(b".", dot + 1)
    return keys
