"""Is the recipient in the list of all recipients? VALIDRCPTTO_CDB of the combined patch.

The cdb's keys are lower-case addresses; asked are the address, then with `-default` in place of
each extension from the right, last `@domain`. The first key that is there decides: a value that
begins with `-` refuses. Clients that may relay are not asked. When the cdb cannot be read the
recipient is accepted, and the trail says so.
"""

from glassmail.core.ask import Ask
from glassmail.core.formats.control import show
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.model.verdict import PASS, Effect, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.told import line
from glassmail.core.protocol import replies

QUESTION = "session.validrcptto"
_RESULT, _TRIES = 1, 2  # values of VALIDRCPTTO_LOG


def is_active(facts: Facts) -> bool:
    """Tell whether VALIDRCPTTO_CDB names a file for this client."""
    return bool(facts.variables.valid_cdb) and not facts.may_relay


def keys(recipient: bytes, break_character: bytes) -> tuple[bytes, ...]:
    """List the keys that are asked for, in order."""
    folded = recipient.lower()
    local, at, domain = folded.rpartition(b"@")
    found = [folded]
    if break_character:
        end = local.rfind(break_character)
        while end > 0:
            found.append(local[:end] + break_character + b"default" + at + domain)
            end = local.rfind(break_character, 0, end)
    if at:
        found.append(at + domain)
    return tuple(dict.fromkeys(found))


def check(facts: Facts, ask: Ask) -> Verdict:
    """Refuse a recipient that the cdb does not have."""
    variables, recipient = facts.variables, facts.recipient
    if b"@" not in recipient:
        return PASS
    tried = keys(recipient, facts.settings.break_character)
    fact = ask.find_in_cdb(variables.valid_cdb, tried)
    name = variables.valid_cdb.decode("utf-8", "replace")
    if fact.answer == UNKNOWN:
        return Verdict(None, (Step(QUESTION, recipient, UNKNOWN, f"{name}: {fact.detail}"),))
    is_there = fact.answer == YES
    is_valid = is_there and not fact.value.startswith(b"-")
    source = f"{name} {show(fact.key)}" if is_there else f"{name} ({len(tried)} keys tried)"
    step = Step(QUESTION, recipient, YES if is_valid else NO, source)
    log = _log(facts, tried, fact.key if is_there else b"", is_valid=is_valid)
    if is_valid:
        return Verdict(None, (step,), log)
    limit = variables.valid_limit
    if limit and facts.invalid_recipients + 1 >= limit:
        more = line(b"validrcptto [%b] excessive violations, hanging up" % facts.client.ip)
        source = f"VALIDRCPTTO_LIMIT {limit}"
        last = Step("session.invalid-recipients", facts.client.ip, NO, source)
        return Verdict(replies.TOO_MANY_INVALID, (step, last), (*log, more))
    return Verdict(replies.VALIDRCPTTO, (step,), log)


def _log(
    facts: Facts, tried: tuple[bytes, ...], key: bytes, *, is_valid: bool
) -> tuple[Effect, ...]:
    level, front = facts.variables.valid_log, b"validrcptto [%b] " % facts.client.ip
    if level < _RESULT:
        return ()
    lines = []
    if level >= _TRIES:
        upto = tried[: tried.index(key) + 1] if key else tried
        lines.append(line(front + b"RCPT TO: " + facts.recipient))
        lines += [line(front + b"trying: " + each) for each in upto]
    if not key:
        lines.append(line(front + b"not found: " + facts.recipient))
    else:
        lines.append(line(front + (b"found: " if is_valid else b"reject: ") + key))
    return tuple(lines)
