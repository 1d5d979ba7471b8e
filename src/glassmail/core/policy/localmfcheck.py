"""May this client send in this name? LOCALMFCHECK of s/qmail, for clients that may relay.

Values: empty: the sender's domain must be in rcpthosts; `=`: the sender must be the user of
TCPREMOTEINFO (after AUTH: the login); `?`: the address of the client's certificate; a domain: the
sender must lie in it. The null sender is not asked. s/qmail's `!` (mailfromrules.cdb) is not known
here: nobody is let through by it.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.protocol import replies
from glassmail.core.route.rcpthosts import is_allowed

QUESTION = "session.localmfcheck"


def is_active(facts: Facts) -> bool:
    """Tell whether LOCALMFCHECK is set."""
    return facts.variables.local_mf_check is not None


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse a recipient of a sender that this client may not use."""
    sender, wanted = facts.sender, facts.variables.local_mf_check
    if not sender or wanted is None or not facts.may_relay:
        return PASS
    if wanted[:1] == b"!":
        source = "LOCALMFCHECK: `!` is not known here: name a domain, or `=`, `?`, or nothing"
        return Verdict(replies.TROUBLE, (Step(QUESTION, sender, UNKNOWN, source),))
    settings = facts.settings
    if not wanted:
        is_good, step = is_allowed(sender, settings.rcpthosts, settings.more_rcpthosts)
        source = step.source
    elif wanted == b"?":
        email = facts.tls.email if facts.tls is not None else b""
        is_good = bool(email) and sender.lower() == email.lower()
        shown = email.decode("utf-8", "replace") or "nobody's"
        source = f"LOCALMFCHECK: the certificate is {shown}"
    elif wanted == b"=":
        user = facts.client.info or b""
        is_good = sender.lower() == user.lower()
        source = f"LOCALMFCHECK: the user is {user.decode('utf-8', 'replace') or 'unknown'}"
    else:
        is_good = sender.lower().endswith(b"@" + wanted.lower())
        source = f"LOCALMFCHECK: {wanted.decode('utf-8', 'replace')}"
    step = Step(QUESTION, sender, YES if is_good else NO, source)
    return Verdict(None if is_good else replies.SENDER_INVALID, (step,))
