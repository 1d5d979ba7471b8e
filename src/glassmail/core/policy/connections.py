"""Are too many connections open? MAXCONNIP, MAXCONNC and DIEMSG of tcpserver's limits patch.

The gate counts over all processes. A client beyond its limit is told DIEMSG_*, else DIEMSG, else
it is hung up on without a word; control/concurrencyincoming (tcpserver -c) is answered by 421.
When nobody can count, the client is served.
"""

from glassmail.core.ask import Ask, Counts
from glassmail.core.model.reply import Reply
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.model.verdict import Effect, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies

QUESTION = "session.connections"
TOO_BUSY = 421
COUNTED = "counted"  # effect: connections open now, and the end of tcpserver's `deny` line


def is_active(facts: Facts) -> bool:
    """Tell whether connections are limited."""
    variables = facts.variables
    is_limited = variables.address_max >= 0 or variables.network_max >= 0
    return is_limited or facts.settings.connections_max > 0 or facts.settings.is_tcpserver_log


def limits(facts: Facts) -> tuple[int, int, int] | None:
    """Return what may be open of its address, its network and all; -1: no limit; None: none."""
    if not is_active(facts):
        return None
    if facts.settings.is_tcpserver_log:
        return 0, 0, 0  # the lines tell the true number
    variables = facts.variables
    return variables.address_max, variables.network_max, facts.settings.connections_max or -1


async def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse the client beyond a limit."""
    client, variables = facts.client, facts.variables
    counts = await ask.connections(client.ip, client.port)
    if counts.answer != YES:
        return Verdict(None, (Step(QUESTION, client.ip, UNKNOWN, counts.detail),))
    for name, count, most in (
        (b"MAXCONNIP", counts.address, variables.address_max),
        (b"MAXCONNC", counts.network, variables.network_max),
    ):
        if 0 <= most < count:
            source = f"{count} open, {name.decode('ascii')} {most}; {facts.rule.source}"
            step = Step(QUESTION, client.ip, NO, source)
            effect = Effect(COUNTED, b"%b: %d" % (name, most), counts.total)
            return Verdict(last_words(facts, name), (step,), (effect,))
    most = facts.settings.connections_max
    effects = (Effect(COUNTED, b"", counts.total),)
    if 0 < most < counts.total:
        source = f"{counts.total} open, control/concurrencyincoming {most}"
        steps = (Step(QUESTION, client.ip, NO, source),)
        return Verdict(replies.TOO_MANY_SESSIONS, steps, effects)
    return Verdict(None, (Step(QUESTION, client.ip, YES, _told(counts)),), effects)


def _told(counts: Counts) -> str:
    told = f"{counts.address} of its address, {counts.network} of its network, {counts.total} open"
    return f"{told} {counts.detail}" if counts.detail else told


def last_words(facts: Facts, name: bytes) -> Reply:
    """Return what a client beyond a limit is told."""
    environment = facts.environment
    text = environment.get(b"DIEMSG_" + name, environment.get(b"DIEMSG", b""))
    if not text:
        return replies.DENIED
    code = text[:3]
    if code.isdigit() and code[:1] in (b"4", b"5") and text[3:4] in (b" ", b""):
        return Reply(int(code), text[4:] or b"closing", close=True)
    return Reply(TOO_BUSY, text, close=True)
