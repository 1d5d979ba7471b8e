"""From where the mail of a domain comes: its MX hosts and the networks of its SPF records.

Always:
    Questions are bounded in number and time (RFC 7208, 4.6.4: ten look-ups); what DNS does not
    answer is told, and the rest still counts.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from glassmail.core.formats import spf_terms
from glassmail.core.formats.dns_servers import DnsServersError, parse_servers
from glassmail.core.formats.spf_terms import SpfTerm, ends_of
from glassmail.net.dns import Dns, MxRecord, Status
from glassmail.settings.place import Place
from glassmail.store.control import ControlError, take_snapshot

LOOKUPS_MAX = 10
NETWORKS_MAX = 200
TRY_S = 2.0
LIFETIME_S = 5.0


class Network(NamedTuple):
    """Addresses that may send, and why they are thought to.

    Attributes:
        low, high: first and last address.
        reason: `MX mx.src.test`, `SPF of src.test`, `past mail`.
    """

    low: str
    high: str
    reason: str


class Senders(NamedTuple):
    """What DNS says of a domain: networks, and what it did not answer."""

    networks: tuple[Network, ...]
    problems: tuple[str, ...]


def servers_of(place: Place) -> tuple[tuple[str, int], ...]:
    """Return control/dnsserver; nothing (resolv.conf counts) when it cannot be read."""
    try:
        return parse_servers(take_snapshot(place.control, ("dnsserver",)).table("dnsserver"))
    except (ControlError, DnsServersError):
        return ()


def find_senders(domain: str, servers: Sequence[tuple[str, int]]) -> Senders:
    """Ask DNS about a domain."""
    search = _Search(servers)
    return asyncio.run(search.run(domain.encode("ascii", "replace")))


class _Search:
    def __init__(self, servers: Sequence[tuple[str, int]]) -> None:
        self._servers = servers
        self._networks: dict[tuple[str, str], Network] = {}
        self._problems: list[str] = []
        self._lookups = 0
        self._seen: set[bytes] = set()

    async def run(self, domain: bytes) -> Senders:
        self._dns = Dns(self._servers, time.monotonic, try_s=TRY_S, lifetime_s=LIFETIME_S)
        await asyncio.gather(self._mx(domain, 32, 128), self._spf(domain))
        return Senders(tuple(self._networks.values())[:NETWORKS_MAX], tuple(self._problems))

    async def _ask(self, name: bytes, kind: str) -> tuple[MxRecord | bytes | str, ...]:
        answer = await self._dns.ask(name, kind)
        if answer.status is Status.FAILED:
            self._problems.append(f"DNS {kind} of {name.decode('ascii', 'replace')}: "
                                  f"{answer.detail}")  # fmt: skip
        return answer.records

    async def _mx(self, domain: bytes, prefix4: int, prefix6: int) -> None:
        records = [r for r in await self._ask(domain, "MX") if isinstance(r, MxRecord) and r.name]
        hosts = [record.name for record in records][:LOOKUPS_MAX] or [domain]
        await asyncio.gather(*(self._host(host, "MX", prefix4, prefix6) for host in hosts))

    async def _host(self, host: bytes, reason: str, prefix4: int, prefix6: int) -> None:
        four, six = await asyncio.gather(self._ask(host, "A"), self._ask(host, "AAAA"))
        for records, prefix in ((four, prefix4), (six, prefix6)):
            for ip in records:
                ends = ends_of(f"{ip}/{prefix}") if isinstance(ip, str) else None
                if ends:
                    self._add(*ends, f"{reason} {host.decode('ascii', 'replace')}")

    async def _spf(self, domain: bytes) -> None:
        if domain in self._seen or self._lookups >= LOOKUPS_MAX:
            return
        self._seen.add(domain)
        self._lookups += 1
        for text in await self._ask(domain, "TXT"):
            if isinstance(text, bytes) and spf_terms.is_spf(text):
                await asyncio.gather(*(self._term(t, domain) for t in spf_terms.parse(text)))

    async def _term(self, term: SpfTerm, domain: bytes) -> None:
        name = term.value.encode("ascii", "replace") or domain
        if term.kind in {"include", "redirect"}:
            await self._spf(name)
        elif term.kind in {"ip4", "ip6"}:
            low, _blank, high = term.value.partition(" ")
            self._add(low, high, f"SPF of {domain.decode('ascii', 'replace')}")
        elif self._lookups < LOOKUPS_MAX:
            self._lookups += 1
            if term.kind == "a":
                await self._host(name, "SPF", term.prefix4, term.prefix6)
            else:
                await self._mx(name, term.prefix4, term.prefix6)

    def _add(self, low: str, high: str, reason: str) -> None:
        self._networks.setdefault((low, high), Network(low, high, reason))
