"""Where mail for a domain goes by DNS, and who answers there: the remote delivery's own planning.

Purpose:
    `Network.plan` asks stations.remote what the remote process asks; `Network.probe` tries the
    connections, which `trace` does only when told to. `Network.of_our_own` looks at a domain that
    is delivered here, as the rest of the world sees it.

Always:
    - Nothing is sent but a QUIT; each question and connection has its time limit.
    - The connections tried are bounded, whatever DNS says.
"""

import asyncio
import random
import time
from typing import NamedTuple, Self

from glassmail.core.formats.control import parse_map, show
from glassmail.core.formats.dns_servers import parse_servers
from glassmail.core.formats.smtproutes import PORT_SMTP
from glassmail.core.model.system_errors import error_text
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.route.mx import Address
from glassmail.explain.remedies import NONE, Advice, advise
from glassmail.net.dns import Dns
from glassmail.net.own_addresses import is_ours
from glassmail.stations.remote import Destinations, Plan
from glassmail.store.control import Snapshot

TRY_S = 3.0  # for one DNS server's answer
LIFETIME_S = 8.0  # for one question
CONNECT_S = 10.0  # for a connection and its greeting
PROBES_MAX = 8
GREETING_BYTES_MAX = 512


class Inquiry(NamedTuple):
    """What may be asked of the network.

    Attributes:
        dns: whether DNS is asked where mail to other servers goes.
        probe: whether connections are tried, and domains of our own are looked up too.
        port: where MX hosts listen; another than 25 only in tests.
    """

    dns: bool = False
    probe: bool = False
    port: int = PORT_SMTP


class Probed(NamedTuple):
    """What a connection said: `name` is how the server greets, empty when it did not."""

    step: Step
    is_open: bool
    name: bytes


class OwnDomain(NamedTuple):
    """What the world finds for a domain of ours: NONE for no fault."""

    steps: tuple[Step, ...]
    advice: Advice


class Network:
    """DNS and connections for one trace; a context manager."""

    def __init__(self, settings: Snapshot, inquiry: Inquiry) -> None:
        """Raises DnsServersError when control/dnsserver cannot be read."""
        self._servers = parse_servers(settings.table("dnsserver"))
        self._routes = settings.table("smtproutes")
        greeting = settings.line("smtpgreeting") or settings.line("me")
        self._us = greeting.split()[0] if greeting.split() else b""
        self._inquiry = inquiry
        self._runner = asyncio.Runner()
        self._dns: Dns | None = None

    def __enter__(self) -> Self:
        """Nothing is asked yet."""
        return self

    def __exit__(self, *_exception: object) -> None:
        """Close the loop."""
        self._runner.close()

    def plan(self, host: bytes) -> Plan:
        """Plan a remote delivery, smtproutes first."""
        return self._runner.run(self._plan(host, is_for_us=False))

    def probe(self, addresses: tuple[Address, ...]) -> list[Probed]:
        """Try one address after the other up to one that takes the connection."""
        return self._runner.run(self._probe(addresses))

    def of_our_own(self, domain: bytes) -> OwnDomain:
        """Look at a domain of ours from outside: do its MX records lead here, is the port open."""
        return self._runner.run(self._of_our_own(domain))

    async def _plan(self, host: bytes, *, is_for_us: bool) -> Plan:
        if self._dns is None:
            self._dns = Dns(self._servers, time.monotonic, try_s=TRY_S, lifetime_s=LIFETIME_S)
        ours = _nobody if is_for_us else is_ours
        destinations = Destinations(self._dns, ours, _draw, time.monotonic)
        routes = parse_map("control/smtproutes", None) if is_for_us else self._routes
        return await destinations.plan(host, routes)

    async def _probe(self, addresses: tuple[Address, ...]) -> list[Probed]:
        found: list[Probed] = []
        for address in addresses[:PROBES_MAX]:
            found.append(await self._connect(address))
            if found[-1].is_open:
                break
        return found

    async def _of_our_own(self, domain: bytes) -> OwnDomain:
        plan = await self._plan(domain, is_for_us=True)
        steps = list(plan.steps)
        facts = {"domain": show(domain), "us": show(self._us)}
        if plan.report is not None:
            failed = [step.question for step in steps if step.answer == NO]
            is_known = "remote.addresses" in failed
            name = "no_mx" if is_known else "no_such_host" if failed else "mx_unknown"
            return OwnDomain(tuple(steps), advise(name, **facts))
        is_found, closed = False, ""
        for address in plan.addresses[:PROBES_MAX]:
            probed = await self._connect(address)
            steps.append(probed.step)
            is_here = is_ours(address.ip)
            if not is_here and probed.is_open:
                is_here = probed.name.lower() == self._us.lower()
                where = _where(address, self._port(address))
                step = Step("remote.greeting", where, show(probed.name or b"?"), _other(self._us))
                steps.append(step)
            if is_here:
                is_found = True
                if not probed.is_open:
                    closed = show(probed.step.subject)
        if closed:
            port = self._port(plan.addresses[0])
            return OwnDomain(tuple(steps), advise("port_closed", where=closed, port=port))
        advice = NONE if is_found else advise("mx_elsewhere", **facts)
        return OwnDomain(tuple(steps), advice)

    async def _connect(self, address: Address) -> Probed:
        port = self._port(address)
        where = _where(address, port)
        try:
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(address.ip, port)
        except OSError as error:  # a timeout is one, too
            text = "timed out" if isinstance(error, TimeoutError) else error_text(error).decode()
            return Probed(Step("remote.connect", where, NO, text), False, b"")
        try:
            async with asyncio.timeout(CONNECT_S):
                greeting = await reader.read(GREETING_BYTES_MAX)
                writer.write(b"QUIT\r\n")
                await writer.drain()
        except OSError as error:
            text = f"it is silent: {str(error) or 'timed out'}"
            return Probed(Step("remote.connect", where, YES, text), True, b"")
        finally:
            writer.close()
        words = greeting.partition(b"\n")[0].split()
        source = show(greeting.partition(b"\r")[0].partition(b"\n")[0]) or "it hangs up"
        name = words[1] if len(words) > 1 else b""
        return Probed(Step("remote.connect", where, YES, source), True, name)

    def _port(self, address: Address) -> int:
        return self._inquiry.port if address.port == PORT_SMTP else address.port


def _nobody(_ip: str) -> bool:
    return False


def _draw() -> int:
    return random.getrandbits(64)


def _where(address: Address, port: int) -> bytes:
    host = f" ({show(address.host)})" if address.host.strip(b"[]") != address.ip.encode() else ""
    return f"{address.ip} port {port}{host}".encode()


def _other(us: bytes) -> str:
    return f"we greet as {show(us)} (control/smtpgreeting)"
