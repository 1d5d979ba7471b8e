"""Who is a client? Its name in DNS and its user, asked before its session begins.

Always:
    - Nobody waits longer than the time limits; a failure leaves the client without a name.
    - A name that decides about rights is believed only when it leads back to the client's
      address (tcpserver -p); `yes` believes it as it is (tcpserver -P).
    - What is not made of letters, digits, `-`, `_` and dots is no name.
"""

import asyncio
from ipaddress import ip_address

from glassmail.core.ask import Ask
from glassmail.core.model.networks import address_of
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.policy.facts import Client
from glassmail.net import ident
from glassmail.stations.client_rules import ClientRules
from glassmail.stations.session_settings import SessionSettings

NAMES_TRIED_MAX = 5  # PTR records of a client that are looked at
HOST, INFO = "session.remote-host", "session.remote-info"
AUTO, NEVER, ALWAYS, PARANOID = b"auto", b"no", b"yes", b"paranoid"
WORDS = (AUTO, NEVER, ALWAYS, PARANOID)
_IN_NAMES = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")


def wants_name(settings: SessionSettings, rules: ClientRules) -> bool:
    """Tell whether clients are asked for by name."""
    kind = settings.remote_host
    return kind in (ALWAYS, PARANOID) or (kind == AUTO and rules.needs_names)


async def introduce(
    client: Client, settings: SessionSettings, rules: ClientRules, ask: Ask
) -> tuple[Client, list[Step]]:
    """Return the client with what could be found out about it."""
    steps: list[Step] = []
    if client.host is None and wants_name(settings, rules):
        name, step = await _name(client.ip, settings, ask)
        steps.append(step)
        client = client._replace(host=name or None)
    if client.info is None and settings.remote_info_s and client.local_ip:
        local, remote = (client.local_ip, client.local_port), (client.ip, client.port)
        user, reason = await ident.ask(local, remote, float(settings.remote_info_s))
        answer = YES if user else NO
        source = reason or f"its RFC 1413 server says {user.decode('ascii')}"
        steps.append(Step(INFO, client.ip, answer, source))
        client = client._replace(info=user or None)
    return client, steps


async def _name(ip: bytes, settings: SessionSettings, ask: Ask) -> tuple[bytes, Step]:
    seconds = float(settings.remote_host_s)
    is_strict = settings.remote_host != ALWAYS
    try:
        return await asyncio.wait_for(_look_up(ip, ask, is_strict=is_strict), seconds)
    except TimeoutError:
        return b"", Step(HOST, ip, UNKNOWN, f"DNS did not answer within {seconds:g} s")


async def _look_up(ip: bytes, ask: Ask, *, is_strict: bool) -> tuple[bytes, Step]:
    try:
        pointer = ip_address(ip.decode("ascii", "replace")).reverse_pointer.encode("ascii")
    except ValueError:
        return b"", Step(HOST, ip, UNKNOWN, "no numeric address")
    found = await ask.dns(pointer, "PTR")
    if found.answer != YES:
        return b"", Step(HOST, ip, found.answer, f"PTR: {found.detail}")
    names = [name.lower().rstrip(b".") for name in found.records[:NAMES_TRIED_MAX]]
    names = [name for name in names if name and _IN_NAMES.issuperset(name)]
    if not names:
        return b"", Step(HOST, ip, NO, "PTR: no usable name")
    if not is_strict:
        return names[0], Step(HOST, ip, YES, f"PTR {names[0].decode('ascii')}")
    kind = "AAAA" if b":" in ip else "A"
    for name in names:
        back = await ask.dns(name, kind)
        if any(address_of(record) == address_of(ip) for record in back.records):
            return name, Step(HOST, ip, YES, f"PTR {name.decode('ascii')}, which leads back")
    shown = names[0].decode("ascii")
    return b"", Step(HOST, ip, NO, f"PTR {shown}, which does not lead back to it")
