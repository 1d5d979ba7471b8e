"""The mail that never came: who of the sender's networks connected, and how it went for them.

Purpose:
    When the history knows nothing of a message, `look_nearby` takes the sender's domain, finds
    its networks (MX hosts, SPF, clients of past mail) and asks who of them connected; else how
    many others did, so that "nobody" can be told from "nothing is recorded".

Always:
    - A visit is told with the reason why it is thought to be the sender's.
    - The time that the history covers, and its gaps, are part of the answer.
"""

import ipaddress
from typing import NamedTuple

from glassmail.core.model.address import split_address
from glassmail.core.route.rewrite import Channel, route
from glassmail.events import codec
from glassmail.events.case import Case, Near, NearQuery, Query, QueryKind, Visit
from glassmail.events.queue import Accepted
from glassmail.events.smtpd import Handed, Refused
from glassmail.explain.question import USER_HERE, Limits, Question, client_of
from glassmail.explain.senders import Network, Senders, find_senders, servers_of
from glassmail.explain.why import ask_history, ask_visits
from glassmail.settings.place import Place
from glassmail.stations.routing import routing_tables
from glassmail.store.control import ControlError, take_snapshot

PAST_CASES_MAX = 50
_TABLES = ("envnoathost", "percenthack", "locals", "virtualdomains", "me")


class Seen(NamedTuple):
    """A client of the sender's, as it seems: its visits and why it is thought to be."""

    visit: Visit
    reason: str


class Nearby(NamedTuple):
    """What was seen near a message that is not known.

    Attributes:
        about: the sender's domain or the client, empty when it could not be told.
        networks: where its mail comes from.
        problems: what DNS did not answer.
        seen: clients of those networks, newest first.
        near: all clients and sessions of the time.
        past: how many cases the history has of that domain.
        alone: (address, how many cases) when sender and recipient were asked for together.
    """

    about: str
    networks: tuple[Network, ...]
    problems: tuple[str, ...]
    seen: tuple[Seen, ...]
    near: Near
    past: int
    alone: tuple[tuple[str, int], ...] = ()

    @property
    def is_client(self) -> bool:
        """Tell whether it is about a client, not a domain."""
        return bool(client_of(self.about))


def look_nearby(place: Place, question: Question, limits: Limits, *, asks_dns: bool) -> Nearby:
    """Look for connections of the sender's networks; raises CannotTellError.

    Args:
        place: the site.
        question: that found nothing.
        limits: its restrictions; `since` and `until` bound the days looked at.
        asks_dns: whether DNS may be asked.
    """
    client = _client_in(question)
    domain = "" if client else _sender_domain(place, question, limits)
    networks, past = list(_around(client)), 0
    problems: tuple[str, ...] = ()
    if domain:
        found = find_senders(domain, servers_of(place)) if asks_dns else Senders((), ())
        problems = found.problems
        count, clients = _past_clients(place, domain, limits)
        past = count
        networks = [*found.networks, *(Network(ip, ip, "past mail") for ip in clients)]
    names = (domain,) if domain else ()
    query = NearQuery(
        tuple(f"{network.low} {network.high}" for network in networks), names, limits.since,
        limits.until,
    )  # fmt: skip
    near, visits = ask_visits(place, query)
    seen = tuple(Seen(visit, _reason(visit, networks, domain)) for visit in visits)
    alone = _alone(place, limits)
    return Nearby(client or domain, tuple(networks), problems, seen, near, past, alone)


def _client_in(question: Question) -> str:
    for reading in question.readings:
        if reading.query.kinds == ("client",):
            return reading.query.text
        if "address" in reading.query.kinds:
            return ""
    return ""


def _around(client: str) -> tuple[Network, ...]:
    """The network that a client's neighbours are in: /24 or /64."""
    if not client:
        return ()
    ip = ipaddress.ip_address(client)
    network = ipaddress.ip_network(f"{client}/{24 if ip.version == 4 else 64}", strict=False)
    return (Network(str(network[0]), str(network[-1]), f"neighbour in {network}"),)


def _sender_domain(place: Place, question: Question, limits: Limits) -> str:
    """Return the domain of the address that is not ours; empty when there is none."""
    if limits.sender:
        return limits.sender.rpartition("@")[2].lower()
    for reading in question.readings:
        if reading.query.sender:
            return reading.query.sender.rpartition("@")[2].lower()
        if reading.query.kinds == ("domain",):
            return reading.query.text.lower()
        if "address" not in reading.query.kinds or reading.words == USER_HERE:
            continue
        address = reading.query.text.encode("utf-8", "surrogateescape")
        domain = split_address(address)[1]
        if domain and not _is_ours(place, address):
            return domain.decode("ascii", "replace").lower()
    return ""


def _is_ours(place: Place, address: bytes) -> bool:
    try:
        tables = routing_tables(take_snapshot(place.control, _TABLES))
    except ControlError:
        return False  # closed to the caller: then its connections are looked for as any other's
    return route(address, tables).channel is Channel.LOCAL


def _past_clients(place: Place, domain: str, limits: Limits) -> tuple[int, list[str]]:
    query = Query(("domain",), text=domain, most=PAST_CASES_MAX, viewer=limits.viewer)
    found, cases = ask_history(place, query)
    clients = dict.fromkeys(client for case in cases for client in _clients_of(case, domain))
    return found.count, list(clients)


def _clients_of(case: Case, domain: str) -> list[str]:
    """The clients that sent mail of a domain."""
    found = []
    for event in codec.decode(case.events):
        if isinstance(event, Accepted) and event.story and _is_of(event.sender, domain):
            try:
                found.append(codec.decode_story(event.story).client)
            except ValueError:  # a story of another version
                continue
        elif isinstance(event, Refused | Handed) and _is_of(event.sender, domain):
            found.append(event.client)
    return [client for client in found if client]


def _is_of(address: bytes, domain: str) -> bool:
    return split_address(address)[1].lower() == domain.encode("ascii", "replace")


def _reason(visit: Visit, networks: list[Network], domain: str) -> str:
    ip = ipaddress.ip_address(visit.client)
    best = ""
    smallest = 1 << 128
    for network in networks:
        low, high = ipaddress.ip_address(network.low), ipaddress.ip_address(network.high)
        size = int(high) - int(low)
        if low.version == ip.version and int(low) <= int(ip) <= int(high) and size < smallest:
            best, smallest = network.reason, size
    return best or f"its name ends with {domain}"


def _alone(place: Place, limits: Limits) -> tuple[tuple[str, int], ...]:
    if not (limits.sender and limits.recipient):
        return ()
    found = []
    for address in (limits.sender, limits.recipient):
        kind: QueryKind = "domain" if address.startswith("@") else "address"
        query = Query((kind,), text=address, since=limits.since, until=limits.until, most=0)
        found.append((address, ask_history(place, query)[0].count))
    return tuple(found)


def verdict_of(nearby: Nearby) -> str:
    """Name what the visits mean: an id of the remedies."""
    visits = [one.visit for one in nearby.seen]
    if not nearby.about:
        return "sender_unknown"
    if not visits:
        return "client_unseen" if nearby.is_client else "nobody_connected"
    if any(visit.refused for visit in visits) and not any(visit.accepted for visit in visits):
        return "only_refused"
    if any(visit.broken for visit in visits) and not any(visit.accepted for visit in visits):
        return "only_broken"
    return "others_came"

