"""Does a rule make this server an open relay? Asked when the rules are read.

A rule for everybody (the empty address, `=` for every client with a name, a network of no bits)
that sets RELAYCLIENT to nothing lets the whole world send through us; so do rules that together
hold a large part of it (`0-255.`, `2000::/3`). A value that is put behind recipients
(`RELAYCLIENT="@fixme"`) does not.
"""

from glassmail.core.formats.tcp_rules import Rule, TcpRules
from glassmail.core.policy.facts import RELAYCLIENT

_EVERYBODY = (b"", b"=", b"_", b"^")
V4_ADDRESSES_MAX = 1 << 28  # sixteen networks of class A: nobody has so many of his own
V6_BITS_MIN = 16  # registries have /12, providers /19 and longer


def opening(rules: TcpRules) -> Rule | None:
    """Return the rule that opens the server to everybody, None when there is none."""
    for key in _EVERYBODY:
        rule = rules.rules.get(key)
        if rule is not None and _lets_relay(rule):
            return rule
    addresses = 0
    for key, rule in rules.rules.items():
        if not _lets_relay(rule):
            continue
        addresses += _v4_addresses(key)
        is_wide = key.startswith(b"^") and len(key) - 1 < V6_BITS_MIN
        if is_wide or addresses > V4_ADDRESSES_MAX:
            return rule
    return None


def _lets_relay(rule: Rule) -> bool:
    value = dict(rule.environment).get(RELAYCLIENT)
    return rule.allow and value is not None and not value.strip()


def _v4_addresses(key: bytes) -> int:
    """Count the IPv4 addresses that a key is for; 0 for names, users and IPv6."""
    if key.startswith(b"_"):
        return 1 << (33 - len(key))
    parts = key.removesuffix(b".").split(b".")
    if not all(part.isdigit() for part in parts) or len(parts) > 4:
        return 0
    return 1 << 8 * (4 - len(parts))


def problem(rules: TcpRules) -> str:
    """Say what is wrong and what to do; empty when nothing is."""
    rule = opening(rules)
    if rule is None:
        return ""
    return (
        f"{rule.source}: this lets everybody relay: give RELAYCLIENT to your own networks alone, "
        'as in `192.0.2.:allow,RELAYCLIENT=""`, or write 1 into control/openrelay if that is '
        "what you want"
    )
