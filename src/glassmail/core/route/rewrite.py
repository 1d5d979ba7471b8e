"""Decide where one recipient address goes, and say why (qmail-send.c rewrite).

Purpose:
    Turn an envelope recipient into a Destination the way qmail-send does: `envnoathost` for
    an address without domain, `percenthack`, then `locals`, then `virtualdomains` from most
    to least specific, then the network.

Pure:
    The caller hands in a RoutingTables snapshot; reading control files is store/control's work.

Always:
    - The trail is never empty, and its last step is the decision.
    - `locals` beats `virtualdomains`; there the whole address beats the domain, the domain
      beats `.parent`, `.parent` beats the empty key. An empty value means remote.
    - Matching ignores ASCII case; the address handed on keeps its case.
    - A missing control file is an empty table, and the trail says so.
"""

from typing import NamedTuple

from glassmail.core.formats.control import Table
from glassmail.core.model.channel import Channel
from glassmail.core.model.trail import NO, YES, Step, Trail

__all__ = ["Channel", "Destination", "RoutingTables", "route", "strip_prepend"]


class RoutingTables(NamedTuple):
    """What qmail-send keeps in memory to route by."""

    envnoathost: bytes
    percenthack: Table
    locals: Table
    virtualdomains: Table


class Destination(NamedTuple):
    """Where an address goes.

    Attributes:
        channel: local or remote.
        address: as handed to the channel, with the prepend and its `-` in front.
        prepend: what virtualdomains put before the address, empty when nothing.
        steps: every question asked, the deciding one last.
    """

    channel: Channel
    address: bytes
    prepend: bytes
    steps: Trail


def route(address: bytes, tables: RoutingTables) -> Destination:
    """Route one envelope recipient."""
    steps: list[Step] = []
    at = address.rfind(b"@")
    if at < 0:
        # The host itself may hold an `@` by mistake; percenthack looks at all of it, as qmail does.
        at = len(address)
        address += b"@" + tables.envnoathost
        source = f"control/envnoathost {_text(tables.envnoathost)}"
        steps.append(Step("routing.envnoathost", address[:at], NO, source))
    if tables.percenthack.entries:
        address = _unhack(address, at, tables.percenthack, steps)
    at = address.rfind(b"@")
    folded = address.lower()

    local_table = tables.locals
    domain = folded[at + 1 :]
    entry = local_table.entries.get(domain)
    if entry is not None:
        steps.append(Step("routing.locals", domain, YES, entry.source))
        return Destination(Channel.LOCAL, address, b"", tuple(steps))
    steps.append(Step("routing.locals", domain, NO, local_table.summary))
    return _virtual(address, folded, at, tables.virtualdomains, steps)


def strip_prepend(address: bytes, tables: RoutingTables) -> bytes:
    """Take the virtual prepend off an address again, for bounces (qmail-send.c stripvdomprepend).

    QUIRK: only entries of the domain are looked at, not those of a whole address, and the first
    hit decides, even when its value is not what the address begins with.
    """
    at = address.rfind(b"@")
    if at < 0:
        return address
    domain = address[at + 1 :].lower()
    entries = tables.virtualdomains.entries
    for key in _domain_keys(domain):
        entry = entries.get(key)
        if entry is not None:
            prefix = entry.value + b"-"
            return address[len(prefix) :] if entry.value and address.startswith(prefix) else address
    return address


def _unhack(address: bytes, at: int, percenthack: Table, steps: list[Step]) -> bytes:
    while True:
        domain = address[at + 1 :].lower()
        entry = percenthack.entries.get(domain)
        if entry is None:
            steps.append(Step("routing.percenthack", domain, NO, percenthack.summary))
            return address
        steps.append(Step("routing.percenthack", domain, YES, entry.source))
        percent = address.rfind(b"%", 0, at)
        if percent < 0:
            return address
        address = address[:percent] + b"@" + address[percent + 1 : at]
        at = percent


def _virtual(
    address: bytes, folded: bytes, at: int, virtualdomains: Table, steps: list[Step]
) -> Destination:
    entries = virtualdomains.entries
    if not entries:
        domain = folded[at + 1 :]
        steps.append(Step("routing.virtualdomains", domain, NO, virtualdomains.summary))
        return Destination(Channel.REMOTE, address, b"", tuple(steps))
    summary = virtualdomains.summary
    new = tuple.__new__  # half the time of calling Step, and most steps of a routing arise here
    for key in (folded, *_domain_keys(folded[at + 1 :])):
        entry = entries.get(key)
        question = "routing.virtualdomains" if key else "routing.catch_all"
        if entry is None:
            steps.append(new(Step, (question, key, NO, summary)))
            continue
        steps.append(Step(question, key, YES, entry.source))
        prepend = entry.value
        if not prepend:
            break
        return Destination(Channel.LOCAL, prepend + b"-" + address, prepend, tuple(steps))
    return Destination(Channel.REMOTE, address, b"", tuple(steps))


def _domain_keys(domain: bytes) -> list[bytes]:
    """List the keys of a folded domain: itself, each suffix at a dot, the empty key."""
    keys = [domain]
    dot = domain.find(b".", 1)
    while dot > 0:
        keys.append(domain[dot:])
        dot = domain.find(b".", dot + 1)
    if domain:
        keys.append(b"")
    return keys


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
