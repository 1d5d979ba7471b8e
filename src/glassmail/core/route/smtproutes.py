"""Look a host up in smtproutes: the host, each `.suffix`, the empty key (qmail-remote.c main)."""

from typing import NamedTuple

from glassmail.core.formats.control import Entry, Table
from glassmail.core.formats.smtproutes import Relay, RelayError, parse_relay
from glassmail.core.model.outcome import Report
from glassmail.core.model.redaction import hide_login
from glassmail.core.model.remote_texts import UNREADABLE_CONTROLS
from glassmail.core.model.trail import NO, YES, Step, Trail


class RouteFound(NamedTuple):
    """What smtproutes says of a host.

    Attributes:
        relay: where to send; None means by MX records.
        report: set when the line cannot be obeyed; mail waits until it is mended.
        steps: the questions asked.
    """

    relay: Relay | None
    report: Report | None
    steps: Trail


def find_relay(host: bytes, smtproutes: Table) -> RouteFound:
    """Decide whether mail for a host goes to a relay."""
    entry = _find(host.lower(), smtproutes)
    if entry is None:
        return RouteFound(None, None, (Step("remote.route", host, NO, smtproutes.summary),))
    step = Step("remote.route", host, YES, hide_login(entry.source))
    try:
        relay = parse_relay(entry.value)
    except RelayError as error:
        where = entry.source.split(" ", 1)[0]
        wrong = Step("remote.route_readable", host, NO, f"{where}: {error}")
        return RouteFound(None, UNREADABLE_CONTROLS, (step, wrong))
    return RouteFound(relay, None, (step,))


def _find(host: bytes, table: Table) -> Entry | None:
    if not table.entries:
        return None
    found = table.find(host)
    at = host.find(b".", 1)
    while found is None and at >= 0:
        found = table.find(host[at:])
        at = host.find(b".", at + 1)
    return found if found is not None else table.find(b"")
