"""Log lines of the combined patch: QMAILSMTPD_LOG_MAIL, QMAILSMTPD_LOG_RCPT, and of its checks.

A line is an effect: the session tells it, prefixed `qmail-smtpd[pid]: `, with the client at hand.
"""

from glassmail.core.ask import Ask
from glassmail.core.formats.control import Entry
from glassmail.core.model.verdict import Effect, Verdict
from glassmail.core.policy.facts import Facts

LOG = "log"
OUTPUT_LINES_MAX = 50  # told of one run of a program


def line(text: bytes) -> Effect:
    """Make a log line of a check."""
    return Effect(LOG, text, 0)


def output_lines(output: bytes) -> tuple[Effect, ...]:
    """Tell what a program of the site wrote, line by line, as its own."""
    return tuple(Effect(LOG, each, 1) for each in output.splitlines()[:OUTPUT_LINES_MAX])


def list_line(facts: Facts, name: bytes, subject: bytes, entry: Entry) -> Effect:
    """Tell what a list refused: `badhelo: NAME at IP`, with LOGREGEX also its line."""
    text = b"%b: %b at %b" % (name, subject, facts.client.ip)
    if facts.variables.is_logging_patterns:
        text += b" matches pattern: " + entry.key
    return line(text)


def is_mail_active(facts: Facts) -> bool:
    """Tell whether MAIL is logged."""
    return facts.variables.is_logging_mail


def is_rcpt_active(facts: Facts) -> bool:
    """Tell whether RCPT is logged."""
    return facts.variables.is_logging_rcpt


def check_mail(facts: Facts, _ask: Ask) -> Verdict:
    """Log a sender."""
    return Verdict(None, (), (line(b"MAIL FROM:<%b>" % (facts.sender or b"")),))


def check_rcpt(facts: Facts, _ask: Ask) -> Verdict:
    """Log a recipient."""
    return Verdict(None, (), (line(b"RCPT TO:<%b>" % facts.recipient),))
