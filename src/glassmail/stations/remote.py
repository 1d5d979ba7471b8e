"""Where mail for a host goes: smtproutes, address literals, MX and address records.

Purpose:
    `Destinations.plan` decides which addresses are tried for a host, in which order, or why none
    can be; the remote daemon sends by it and `trace` prints it.

Always:
    - A relay of smtproutes is taken as it is, our own addresses included: that is how a site
      hands mail to another server on the same host (qmail-remote.c: relayhost, prefme 300000).
    - By MX, exchangers that are not better than ourselves are left out.
    - A plan is kept as long as the DNS answers it rests on, PLAN_MOST_S at most.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from glassmail.core.formats.control import Table
from glassmail.core.formats.smtproutes import PORT_SMTP, Relay
from glassmail.core.model import remote_texts as texts
from glassmail.core.model.outcome import Report
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.route import mx
from glassmail.core.route.mx import Address, Exchanger
from glassmail.core.route.smtproutes import find_relay
from glassmail.net.dns import Answer, Dns, MxRecord, Status

PLAN_MOST_S = 300.0
PLANS_MAX = 10_000
ADDRESSES_PER_HOST_MAX = 8


class Plan(NamedTuple):
    """What was decided for a host.

    Attributes:
        addresses: to be tried one after the other; empty when `report` is set.
        report: why there is nowhere to go.
        steps: the questions asked.
        expires: until when the plan holds, on the clock of Destinations.
    """

    addresses: tuple[Address, ...]
    report: Report | None
    steps: Trail
    expires: float


Draw = Callable[[], int]


class Destinations:
    """Plans for hosts and relays."""

    def __init__(
        self, dns: Dns, is_ours: Callable[[str], bool], draw: Draw, clock: Callable[[], float]
    ) -> None:
        """Work with these.

        Args:
            dns: the resolver.
            is_ours: tells whether a numeric address is one of this host's.
            draw: gives a random number of 64 bits.
            clock: the same clock as the resolver's.
        """
        self._dns = dns
        self._is_ours = is_ours
        self._draw = draw
        self._clock = clock
        self._plans: dict[bytes | Relay, Plan] = {}

    async def plan(self, host: bytes, smtproutes: Table) -> Plan:
        """Decide for a host from the start, smtproutes first."""
        route = find_relay(host, smtproutes)
        if route.report is not None:
            return Plan((), route.report, route.steps, 0.0)
        found = await self.find(route.relay or host.lower())
        return found._replace(steps=route.steps + found.steps)

    async def find(self, target: bytes | Relay) -> Plan:
        """Find the addresses of a host (folded, by MX) or of a relay."""
        found = self.kept(target)
        if found is not None:
            return found
        if isinstance(target, Relay):
            found = await self._of_relay(target)
        else:
            found = await self._of_host(target)
        if len(self._plans) >= PLANS_MAX:
            self._plans.clear()  # rare, and each is found again from the resolver's cache
        self._plans[target] = found
        return found

    def kept(self, target: bytes | Relay) -> Plan | None:
        """Return a plan that still holds, equally preferred hosts in a new order."""
        plan = self._plans.get(target)
        if plan is None or plan.expires <= self._clock():
            return None
        if len(plan.addresses) > 1:
            plan = plan._replace(addresses=mx.reorder(plan.addresses, self._draw()))
        return plan

    async def _of_relay(self, relay: Relay) -> Plan:
        literal = mx.parse_literal(relay.host)
        if literal is not None:
            return self._kept((Address(literal, relay.port, 0, relay.host),), ())
        hosts = [Exchanger(0, relay.host)]
        looked_up = await self._addresses(hosts, relay.port)
        if looked_up.addresses:
            return self._kept(looked_up.addresses, looked_up.steps, *looked_up.answers)
        report = texts.NO_HOST_FOUND if looked_up.has_failed else texts.no_such_host(relay.host)
        return self._refused(report, looked_up.steps, *looked_up.answers)

    async def _of_host(self, host: bytes) -> Plan:
        literal = mx.parse_literal(host)
        if literal is not None:
            step = Step("remote.literal", host, YES, literal)
            return self._without_ours(host, (Address(literal, PORT_SMTP, 0, host),), (step,), ())
        if not host:
            return self._refused(texts.no_such_host(host), ())
        answer = await self._dns.ask(host, "MX")
        if answer.status is Status.FAILED:
            step = Step("remote.mx", host, UNKNOWN, f"DNS: {answer.detail}")
            return self._refused(texts.LOOKUP_FAILED, (step,), answer)
        if answer.status is Status.NO_NAME:
            step = Step("remote.mx", host, NO, f"DNS: {answer.detail}")
            return self._refused(texts.no_such_host(host), (step,), answer)
        exchangers = [Exchanger(*r) for r in answer.records if isinstance(r, MxRecord)]
        if mx.is_null_mx(exchangers):
            step = Step("remote.mx", host, NO, "DNS: a null MX (RFC 7505): it takes no mail")
            return self._refused(texts.NO_EXCHANGER, (step,), answer)
        if not exchangers:
            return await self._of_host_without_mx(host, answer)
        return await self._of_exchangers(host, exchangers, answer)

    async def _of_host_without_mx(self, host: bytes, answer: Answer) -> Plan:
        step = Step("remote.mx", host, NO, f"DNS: {answer.detail}; its own addresses serve")
        looked_up = await self._addresses([Exchanger(0, host)], PORT_SMTP)
        steps = (step, *looked_up.steps)
        answers = (answer, *looked_up.answers)
        if looked_up.addresses:
            return self._without_ours(host, looked_up.addresses, steps, answers)
        report = texts.LOOKUP_FAILED if looked_up.has_failed else texts.no_such_host(host)
        return self._refused(report, steps, *answers)

    async def _of_exchangers(
        self, host: bytes, exchangers: list[Exchanger], answer: Answer
    ) -> Plan:
        ordered = mx.in_order(exchangers, self._draw())
        shown = ", ".join(f"{one.preference} {_text(one.name)}" for one in ordered)
        source = f"DNS: {answer.detail}"
        if len(ordered) < len(exchangers):
            source += f"; the first {len(ordered)} of {len(exchangers)} count"
        looked_up = await self._addresses(ordered, PORT_SMTP)
        steps = (Step("remote.mx", host, shown, source), *looked_up.steps)
        answers = (answer, *looked_up.answers)
        if looked_up.addresses:
            return self._without_ours(host, looked_up.addresses, steps, answers)
        report = texts.NO_HOST_FOUND if looked_up.has_failed else texts.NO_EXCHANGER
        return self._refused(report, steps, *answers)

    async def _addresses(
        self, exchangers: "list[Exchanger] | tuple[Exchanger, ...]", port: int
    ) -> "_LookedUp":
        """Look up A and AAAA of every exchanger, all at once."""
        found = await asyncio.gather(*(self._of_exchanger(one, port) for one in exchangers))
        addresses = tuple(address for one in found for address in one.addresses)
        return _LookedUp(
            addresses[: mx.ADDRESSES_MAX],
            tuple(step for one in found for step in one.steps),
            tuple(answer for one in found for answer in one.answers),
            any(one.has_failed for one in found),
        )

    async def _of_exchanger(self, exchanger: Exchanger, port: int) -> "_LookedUp":
        name = exchanger.name
        literal = mx.parse_literal(name)  # dns.c dns_ipplus: an MX may name an address
        if literal is not None:
            address = Address(literal, port, exchanger.preference, name)
            return _LookedUp((address,), (Step("remote.literal", name, YES, literal),), (), False)
        four, six = await asyncio.gather(self._dns.ask(name, "A"), self._dns.ask(name, "AAAA"))
        ips = [str(ip) for ip in (*four.records, *six.records)][:ADDRESSES_PER_HOST_MAX]
        failed = [a for a in (four, six) if a.status is Status.FAILED]
        if ips:
            step = Step("remote.addresses", name, " ".join(ips), f"DNS: {four.detail}")
        elif failed:
            step = Step("remote.addresses", name, UNKNOWN, f"DNS: {failed[0].detail}")
        else:
            step = Step("remote.addresses", name, NO, f"DNS: {four.detail}")
        addresses = tuple(Address(ip, port, exchanger.preference, name) for ip in ips)
        return _LookedUp(addresses, (step,), (four, six), bool(failed))

    def _without_ours(
        self,
        host: bytes,
        addresses: tuple[Address, ...],
        steps: Trail,
        answers: tuple[Answer, ...],
    ) -> Plan:
        better, ours = mx.better_than_ours(addresses, self._is_ours)
        if ours is None:
            return self._kept(addresses, steps, *answers)
        source = f"{_text(ours.host)} is this host: preferences below {ours.preference} are left"
        steps = (*steps, Step("remote.mine", ours.ip.encode(), YES, source))
        if better:
            return self._kept(better, steps, *answers)
        remedy = "put it into control/locals or control/virtualdomains, or mend its MX records"
        steps = (*steps, Step("remote.better", host, NO, remedy))
        return self._refused(texts.AMBIGUOUS_MX, steps, *answers)

    def _kept(self, addresses: tuple[Address, ...], steps: Trail, *answers: Answer) -> Plan:
        return Plan(addresses, None, steps, self._expiry(answers))

    def _refused(self, report: Report, steps: Trail, *answers: Answer) -> Plan:
        return Plan((), report, steps, self._expiry(answers))

    def _expiry(self, answers: tuple[Answer, ...]) -> float:
        return min([self._clock() + PLAN_MOST_S, *(answer.expires for answer in answers)])


class _LookedUp(NamedTuple):
    """Addresses of exchangers, and whether some question failed."""

    addresses: tuple[Address, ...]
    steps: Trail
    answers: tuple[Answer, ...]
    has_failed: bool


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
