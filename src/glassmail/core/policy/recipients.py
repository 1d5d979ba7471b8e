"""Does the recipient exist, says s/qmail's control/recipients? After rcpthosts.

The lines are walked from the top; the first that has the recipient accepts it. A domain that no
line names is refused. A recipient without domain counts as `@localhost`. Clients that may relay
are not asked. RECIPIENTS450 makes the refusal temporary.
"""

from glassmail.core.ask import Ask
from glassmail.core.formats.recipients import Kind, RecipientLine, keys
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.model.verdict import Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies

QUESTION = "session.recipients"
_EXISTS, _UNKNOWN_USER = 0, 1  # exit codes of a program


def is_active(facts: Facts) -> bool:
    """Tell whether there is a file for this client."""
    return facts.settings.recipients is not None and not facts.may_relay


async def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse a recipient that no line has."""
    address = facts.recipient if b"@" in facts.recipient else facts.recipient + b"@localhost"
    domain = address[address.rfind(b"@") + 1 :].lower()
    steps = []
    is_named = False
    for each in facts.settings.recipients or ():
        if not each.is_for(domain) or (each.kind is Kind.ACCEPT and not each.domain and is_named):
            continue
        is_named = True
        step = await _ask_line(each, address, ask)
        steps.append(step)
        if step.answer == YES:
            return Verdict(None, tuple(steps))
        if step.answer == UNKNOWN:
            return Verdict(replies.RECIPIENTS_FAILED, tuple(steps))
    if not is_named:
        steps.append(Step(QUESTION, address, NO, "control/recipients: no line is for this domain"))
    is_soft = facts.variables.is_recipients_450
    return Verdict(replies.RECIPIENTS_450 if is_soft else replies.RECIPIENTS, tuple(steps))


async def _ask_line(each: RecipientLine, address: bytes, ask: Ask) -> Step:
    if each.kind is Kind.ACCEPT:
        return Step(QUESTION, address, YES, each.source)
    if each.kind is Kind.CDB:
        fact = ask.find_in_cdb(each.what[0], keys(address))
        detail = f"{each.source}: {fact.detail}" if fact.answer == UNKNOWN else each.source
        return Step(QUESTION, address, fact.answer, detail)
    ended = await ask.ask_program(each.what, address)
    if ended.problem:
        return Step(QUESTION, address, UNKNOWN, f"{each.source}: {ended.problem}")
    answer = {_EXISTS: YES, _UNKNOWN_USER: NO}.get(ended.exit_code, UNKNOWN)
    return Step(QUESTION, address, answer, f"{each.source}: exit code {ended.exit_code}")
