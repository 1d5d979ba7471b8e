"""Does the sender's domain exist? MFCHECK at MAIL (combined patch), MFDNSCHECK at RCPT (s/qmail).

The null sender is not asked. MFDNSCHECK is for clients that may not relay, and not for senders
with a line `?addr` in badmailfrom. When DNS does not answer, the client is told to come again.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, UNKNOWN, Step
from glassmail.core.model.verdict import PASS, Effect, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.sender_domain import takes_mail
from glassmail.core.policy.told import line
from glassmail.core.protocol import replies

QUESTION = "session.mfcheck"
_FAILURES, _PASSES = 2, 3  # values of MFCHECK from which on they are logged


def is_active(facts: Facts) -> bool:
    """Tell whether MFCHECK is on."""
    return facts.variables.mf_check > 0


def is_dns_active(facts: Facts) -> bool:
    """Tell whether MFDNSCHECK is on."""
    return facts.variables.is_mf_dns and not facts.may_relay


async def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse MAIL of a sender whose domain takes no mail."""
    if not facts.sender:
        return PASS
    level = facts.variables.mf_check
    verdict = await _ask_about(facts, ask)
    ip, domain = facts.client.ip, facts.sender[facts.sender.rfind(b"@") + 1 :]
    is_pass = verdict.reply is None
    log: tuple[Effect, ...] = ()
    if not is_pass and level >= _FAILURES:
        if b"@" in facts.sender:
            log = (line(b"MFCHECK fail [%b] %b" % (ip, domain)),)
        else:
            log = (line(b"MFCHECK invalid [%b] %b" % (ip, facts.sender)),)
    elif is_pass and level >= _PASSES:
        log = (line(b"MFCHECK pass [%b] %b" % (ip, domain)),)
    return verdict._replace(effects=log)


async def check_recipient(facts: Facts, ask: Ask) -> Verdict:
    """Refuse a recipient of such a sender."""
    if not facts.sender:
        return PASS
    hit = facts.settings.lists.badmailfrom.find(facts.sender, facts.client.host, may_relay=False)
    if hit is not None and not hit.is_unwanted and hit.entry.key.startswith(b"?"):
        return PASS
    return await _ask_about(facts, ask)


async def _ask_about(facts: Facts, ask: Ask) -> Verdict:
    sender = facts.sender or b""
    at = sender.rfind(b"@")
    domain = sender[at + 1 :].rstrip(b".")
    if at < 0 or not domain:
        step = Step(QUESTION, sender, NO, "the address names no domain")
        return Verdict(replies.SENDER_DOMAIN, (step,))
    if domain.startswith(b"["):
        return Verdict(None, (Step(QUESTION, domain, UNKNOWN, "an address, not a name"),))
    found = await takes_mail(domain, ask)
    step = Step(QUESTION, domain, found.answer, found.evidence)
    if found.answer == UNKNOWN:
        return Verdict(replies.DNS_SOFT, (step,))
    return Verdict(replies.SENDER_DOMAIN if found.answer == NO else None, (step,))
