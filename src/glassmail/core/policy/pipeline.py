"""All checks in their order, and the one way to run a stage.

Purpose:
    The daemon, `trace --client` and the tests ask the same pipeline: `await run(stage, facts,
    ask)`. It needs no connection; a stage that asks nothing of the world never suspends.

Order:
    As in qmail-smtpd where qmail has the check. Later checks have their places: DNS lists and
    connection counts at connect; HELO tests at helo; AUTH at auth; SPF at mail; greylisting
    after the recipient is known to exist; DKIM, DMARC and scanners at message.

Always:
    - The first refusal ends its stage; its steps come last.
    - `decided_by` is the name of the check's module (and of its page in the manual).
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from glassmail.core.ask import Ask
from glassmail.core.model.trail import Step
from glassmail.core.model.verdict import PASS, Effect, Verdict
from glassmail.core.policy import (
    authorization,
    badmailfrom,
    client_rule,
    databytes,
    declared_size,
    hops,
    line_ends,
    recipient_exists,
    relay,
)
from glassmail.core.policy.facts import Facts

Check = Callable[[Facts, Ask], Awaitable[Verdict]]

CONNECT, HELO, AUTH, MAIL, RCPT, DATA, MESSAGE = STAGES = (
    "connect",
    "helo",
    "auth",
    "mail",
    "rcpt",
    "data",
    "message",
)


class Named(NamedTuple):
    """A check under the name that verdicts and events give it."""

    name: str
    check: Check


PIPELINE: dict[str, tuple[Named, ...]] = {
    CONNECT: (Named("client_rule", client_rule.check),),
    HELO: (),
    AUTH: (),
    MAIL: (
        Named("authorization", authorization.check),
        Named("declared_size", declared_size.check),
        Named("badmailfrom", badmailfrom.check),
    ),
    RCPT: (
        Named("badmailfrom", badmailfrom.check_recipient),
        Named("relay", relay.check),
        Named("recipient_exists", recipient_exists.check),
    ),
    DATA: (),
    MESSAGE: (
        Named("line_ends", line_ends.check),
        Named("hops", hops.check),
        Named("databytes", databytes.check),
    ),
}


async def run(stage: str, facts: Facts, ask: Ask) -> Verdict:
    """Ask the checks of a stage in their order, up to the first that answers the client."""
    steps: list[Step] = []
    effects: list[Effect] = []
    for name, check in PIPELINE[stage]:
        verdict = await check(facts, ask)
        if verdict is PASS:
            continue
        steps += verdict.steps
        effects += verdict.effects
        if verdict.reply is not None:
            return Verdict(verdict.reply, tuple(steps), tuple(effects), name)
    return Verdict(None, tuple(steps), tuple(effects)) if steps or effects else PASS
