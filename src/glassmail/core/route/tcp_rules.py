"""Which rule is for a client (ucspi-tcp rules.c, ucspi-tcp6 rules.c)."""

from collections.abc import Iterator
from typing import NamedTuple

from glassmail.core.formats.client_keys import full_v6, unmapped, v4_bits, v6_bits
from glassmail.core.formats.tcp_rules import TcpRules


class RuleMatch(NamedTuple):
    """What is done with a client.

    Attributes:
        allow: whether it may go on.
        environment: variables to set, in order.
        source: the rule and where it stands; for the default, that there is none.
        key: the key that matched, None when no rule did.
    """

    allow: bool
    environment: tuple[tuple[bytes, bytes], ...]
    source: str
    key: bytes | None = None


def match(rules: TcpRules, ip: bytes, host: bytes | None, info: bytes | None) -> RuleMatch:
    """Find the rule for a client: the first key with a rule decides, nothing is merged.

    Order: info@ip, info@=host, ip, =host, IPv4 prefixes ending in `.` from long to short,
    networks from the longest prefix to the shortest, =.suffix from long to short, `=` for any
    known host, the empty key. No rule at all lets the client in and sets nothing.

    Args:
        rules: the rules.
        ip: the client's address as text; `::ffff:1.2.3.4` counts as 1.2.3.4.
        host: its name, None when unknown.
        info: what it says of itself (TCPREMOTEINFO), None when unknown.
    """
    found = rules.rules
    for key in _keys(rules, unmapped(ip), host, info):
        rule = found.get(key)
        if rule is not None:
            return RuleMatch(rule.allow, rule.environment, rule.source, key)
    return RuleMatch(True, (), f"{rules.name} (no rule for it)")


def _keys(rules: TcpRules, ip: bytes, host: bytes | None, info: bytes | None) -> Iterator[bytes]:
    is_v6 = b":" in ip
    if is_v6:
        ip = full_v6(ip) or ip
    if info is not None:
        yield info + b"@" + ip
        if host is not None:
            yield info + b"@=" + host
    yield ip
    if host is not None:
        yield b"=" + host
    if is_v6:
        yield from _v6_networks(rules, ip)
    else:
        yield from _v4_networks(rules, ip)
    if host is not None:
        dot = host.find(b".")
        while dot >= 0:
            yield b"=" + host[dot:]
            dot = host.find(b".", dot + 1)
        yield b"="
    yield b""


def _v4_networks(rules: TcpRules, ip: bytes) -> Iterator[bytes]:
    dot = ip.rfind(b".")
    while dot >= 0:
        yield ip[: dot + 1]
        dot = ip.rfind(b".", 0, dot)
    bits = v4_bits(ip) if rules.v4_prefixes else None
    if bits is not None:
        for size in rules.v4_prefixes:
            yield b"_" + bits[:size]


def _v6_networks(rules: TcpRules, ip: bytes) -> Iterator[bytes]:
    if rules.v6_prefixes and len(ip) == 39:  # an address in full; else it was none
        bits = v6_bits(ip)
        for size in rules.v6_prefixes:
            yield b"^" + bits[:size]
