"""What was seen near a message that never came, for people and as JSON objects."""

from collections.abc import Iterator
from datetime import tzinfo

from glassmail.events.fields import time_of
from glassmail.explain.moments import show_moment
from glassmail.explain.nearby import Nearby, verdict_of
from glassmail.explain.question import Question
from glassmail.explain.remedies import NONE, Advice, advise
from glassmail.explain.steps import printable
from glassmail.explain.why_story import Row

SEEN_MAX = 20
NETWORKS_SHOWN = 6
_COLUMNS = (16, 28, 8, 8, 8)


def advice_of(nearby: Nearby, question: Question) -> Advice:
    """Say what the visits mean and what to do."""
    client = nearby.seen[0].visit.client if nearby.seen else nearby.about
    address = question.address
    about = nearby.about or address
    # A probe goes to a mail exchanger, which a domain's postmaster has as well as anybody there.
    probed = address or f"postmaster@{about.removeprefix('@')}"
    if verdict_of(nearby) == "sender_unknown":
        if question.advice.id:
            return NONE
        # What only names a message (a number, a code, a file) says nothing of a sender.
        return advise("sender_unknown", address=address) if address else advise("name_unknown")
    return advise(verdict_of(nearby), about=about, client=client, address=probed)


def nearby_rows(nearby: Nearby, question: Question) -> Iterator[Row]:
    """Yield one object of the whole, then one per client."""
    advice = advice_of(nearby, question)
    yield {
        "kind": "nearby",
        "about": nearby.about,
        "networks": [{"low": n.low, "high": n.high, "reason": n.reason} for n in nearby.networks],
        "problems": list(nearby.problems),
        "clients": nearby.near.clients,
        "sessions": nearby.near.sessions,
        "past": nearby.past,
        "alone": [{"address": address, "count": count} for address, count in nearby.alone],
        "fault": advice.id,
        "fault_text": advice.fault,
        "remedy": advice.sentence,
        "command": advice.command,
    }
    for visit, reason in nearby.seen:
        yield {
            "kind": "visit",
            "client": visit.client,
            "client_name": visit.name,
            "helo": visit.helo,
            "reason": reason,
            "first": time_of(visit.first),
            "last": time_of(visit.last),
            "sessions": visit.sessions,
            "accepted": visit.accepted,
            "refused": visit.refused,
            "broken": visit.broken,
        }


def nearby_lines(
    nearby: Nearby, question: Question, zone: tzinfo | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the lines of the answer with their looks; the advice comes behind them."""
    for address, count in nearby.alone:
        cases = _counted(count, "case")
        yield f"{cases} of {printable(address)} alone: glass why {printable(address)}", ""
    if nearby.about:
        yield "", ""
        yield f"what was seen of {printable(nearby.about)}", "head"
        yield from _networks(nearby)
    if nearby.seen:
        yield _row(("last seen", "client", "sessions", "accepted", "refused")), "faint"
        for visit, reason in nearby.seen[:SEEN_MAX]:
            name = visit.name or visit.helo
            counts = (str(visit.sessions), str(visit.accepted), str(visit.refused))
            when = show_moment(visit.last, zone)[:16]
            look = "bad" if visit.refused or visit.broken else ""
            yield _row((when, f"{visit.client} {name}".strip(), *counts)), look
            broken = f", {visit.broken} broken off" if visit.broken else ""
            yield f"                  ({printable(reason)}{broken})"[:80], "faint"
        more = len(nearby.seen) - SEEN_MAX
        if more > 0:
            yield f"... and {more} more clients: --json tells them all", "faint"
    elif nearby.about:
        yield "  none of them connected", "bad"
    if advice_of(nearby, question).id == "name_unknown":
        return  # of what connects to it nothing can be said
    near = nearby.near
    clients, sessions = _counted(near.clients, "client"), _counted(near.sessions, "session")
    yield f"in all, {clients} had {sessions} in the days looked at", ""


def _networks(nearby: Nearby) -> Iterator[tuple[str, str]]:
    for network in nearby.networks[:NETWORKS_SHOWN]:
        ends = network.low if network.low == network.high else f"{network.low} - {network.high}"
        yield f"  {ends}  ({printable(network.reason)})"[:80], "faint"
    more = len(nearby.networks) - NETWORKS_SHOWN
    if more > 0:
        yield f"  and {more} more networks", "faint"
    if not nearby.networks:
        yield "  no network of it is known: only names were compared", "faint"
    for problem in nearby.problems[:3]:
        yield f"  not known: {printable(problem)}"[:80], "open"


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _row(values: tuple[str, ...]) -> str:
    cells = [
        printable(value)[:width].ljust(width)
        for value, width in zip(values, _COLUMNS, strict=True)
    ]
    return "  ".join(cells).rstrip()
