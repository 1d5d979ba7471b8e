"""Are there too many recipients? MAXRCPT (combined patch), MAXRECIPIENTS (s/qmail).

Refused recipients count as well. The answer is 452, so that a client sends the rest later;
the patch's 555, and its silent least value of 100, are not copied.
"""

from glassmail.core.ask import Ask
from glassmail.core.model.trail import NO, Step
from glassmail.core.model.verdict import PASS, Verdict
from glassmail.core.policy.facts import Facts
from glassmail.core.policy.told import line
from glassmail.core.protocol import replies

QUESTION = "session.maxrcpt"


def is_active(facts: Facts) -> bool:
    """Tell whether there is a limit."""
    return facts.variables.recipients_max > 0


def check(facts: Facts, _ask: Ask) -> Verdict:
    """Refuse recipients beyond the limit."""
    most, asked = facts.variables.recipients_max, facts.recipients_asked
    if asked <= most:
        return PASS
    step = Step(QUESTION, b"%d" % asked, NO, f"{facts.variables.recipients_max_name} {most}")
    log = line(b"MAXRCPT fail [%b]" % facts.client.ip)
    return Verdict(replies.TOO_MANY_RECIPIENTS, (step,), (log,))
