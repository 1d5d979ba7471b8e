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

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from glassmail.core.ask import Ask
from glassmail.core.model.trail import Step
from glassmail.core.model.verdict import PASS, Effect, Verdict
from glassmail.core.policy import (
    account_rate,
    authorization,
    badhelo,
    badmailfrom,
    badrcptto,
    blocked,
    client_rule,
    connections,
    databytes,
    declared_size,
    force_tls,
    greetdelay,
    helocheck,
    hops,
    line_ends,
    load,
    localmfcheck,
    login_limit,
    maxrcpt,
    mfcheck,
    rblsmtpd,
    rcptcheck,
    recipient_exists,
    recipients,
    relay,
    relayrej,
    security,
    tarpit,
    told,
    validrcptto,
)
from glassmail.core.policy.facts import Facts

# A check that waits for nothing is a plain function: a coroutine costs as much as most checks.
Check = Callable[[Facts, Ask], Verdict | Awaitable[Verdict]]

CONNECT, HELO, AUTH, MAIL, RCPT, DATA, MESSAGE = STAGES = (
    "connect",
    "helo",
    "auth",
    "mail",
    "rcpt",
    "data",
    "message",
)


def _always(_facts: Facts) -> bool:
    return True


class Named(NamedTuple):
    """A check under the name that verdicts and events give it.

    Attributes:
        is_active: whether this client's variables and the settings give the check anything to
            ask; found out once for each rule, for strangers and for those who have logged in,
            so that a check without anything to ask costs nothing.
    """

    name: str
    check: Check
    is_active: Callable[[Facts], bool] = _always


PIPELINE: dict[str, tuple[Named, ...]] = {
    CONNECT: (
        Named("client_rule", client_rule.check),
        Named("blocked", blocked.check, blocked.is_active),
        Named("load", load.check, load.is_active),
        Named("connections", connections.check, connections.is_active),
        Named("security", security.check, security.is_active),
        Named("greetdelay", greetdelay.check, greetdelay.is_active),
    ),
    HELO: (),
    AUTH: (Named("too_many_logins", login_limit.check, login_limit.is_active),),
    MAIL: (
        Named("force_tls", force_tls.check, force_tls.is_active),
        Named("authorization", authorization.check),
        Named("declared_size", declared_size.check),
        Named("badmailfrom", badmailfrom.check, badmailfrom.is_active),
        Named("mfcheck", mfcheck.check, mfcheck.is_active),
        Named("told_mail", told.check_mail, told.is_mail_active),
    ),
    RCPT: (
        Named("rblsmtpd", rblsmtpd.check, rblsmtpd.is_active),
        Named("maxrcpt", maxrcpt.check, maxrcpt.is_active),
        Named("relayrej", relayrej.check, relayrej.is_active),
        Named("told_rcpt", told.check_rcpt, told.is_rcpt_active),
        Named("badhelo", badhelo.check, badhelo.is_active),
        Named("helocheck", helocheck.check, helocheck.is_active),
        Named("badmailfrom", badmailfrom.check_recipient, badmailfrom.is_active),
        Named("badrcptto", badrcptto.check, badrcptto.is_active),
        Named("mfdnscheck", mfcheck.check_recipient, mfcheck.is_dns_active),
        Named("localmfcheck", localmfcheck.check, localmfcheck.is_active),
        Named("relay", relay.check),
        Named("tarpit", tarpit.check, tarpit.is_active),
        Named("validrcptto", validrcptto.check, validrcptto.is_active),
        Named("recipients", recipients.check, recipients.is_active),
        Named("recipient_exists", recipient_exists.check, recipient_exists.is_active),
        Named("rcptcheck", rcptcheck.check, rcptcheck.is_active),
    ),
    DATA: (
        Named("tarpit", tarpit.check_data, tarpit.is_active),
        Named("account_rate", account_rate.check, account_rate.is_active),
    ),
    MESSAGE: (
        Named("line_ends", line_ends.check),
        Named("hops", hops.check),
        Named("databytes", databytes.check),
    ),
}


def checks(stage: str, facts: Facts) -> tuple[Named, ...]:
    """Return the checks that this client is asked at a stage."""
    named = PIPELINE[stage]
    prepared = facts.prepared
    plan = prepared.login_plan if facts.login else prepared.plan
    found = plan.get(stage)
    if found is None or found[0] is not named:
        found = plan[stage] = (named, tuple(each for each in named if each.is_active(facts)))
    active: tuple[Named, ...] = found[1]
    return active


def run(stage: str, facts: Facts, ask: Ask) -> Coroutine[Any, Any, Verdict]:
    """Ask the checks of a stage in their order, up to the first that answers the client."""
    return ask_all(checks(stage, facts), facts, ask)


async def ask_all(active: tuple[Named, ...], facts: Facts, ask: Ask) -> Verdict:
    """Ask these checks in their order, up to the first that answers the client."""
    steps: list[Step] = []
    effects: list[Effect] = []
    for name, check, _is_active in active:
        answer = check(facts, ask)
        verdict = answer if isinstance(answer, Verdict) else await answer
        if verdict is PASS:
            continue
        steps += verdict.steps
        if verdict.effects:
            effects += verdict.effects
        if verdict.reply is not None:
            reply = facts.prepared.wording.get(verdict.reply, verdict.reply)
            return Verdict(reply, tuple(steps), tuple(effects), name)
    return Verdict(None, tuple(steps), tuple(effects)) if steps or effects else PASS
