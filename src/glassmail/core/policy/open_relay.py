"""Does a rule make this server an open relay? Asked when the rules are read.

A rule for everybody (the empty address, `=` for every client with a name, a network of no bits)
that sets RELAYCLIENT to nothing lets the whole world send through us. A value that is put behind
recipients (`RELAYCLIENT="@fixme"`) does not.
"""

from glassmail.core.formats.tcp_rules import Rule, TcpRules
from glassmail.core.policy.facts import RELAYCLIENT

_EVERYBODY = (b"", b"=", b"_", b"^")


def opening(rules: TcpRules) -> Rule | None:
    """Return the rule that opens the server to everybody, None when there is none."""
    for key in _EVERYBODY:
        rule = rules.rules.get(key)
        if rule is None or not rule.allow:
            continue
        value = dict(rule.environment).get(RELAYCLIENT)
        if value is not None and not value.strip():
            return rule
    return None


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
