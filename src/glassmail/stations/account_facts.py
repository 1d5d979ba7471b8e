"""What is to be told of a mailbox besides where its mail goes: its logins and its quota.

For `glass trace`; a delivery asks neither. Reads lastauth and maildirsize with the rights of the
process that asks.
"""

from glassmail.core.formats import quota
from glassmail.core.formats.date import rfc822
from glassmail.core.formats.vpasswd import Flag
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.stations.accounts import VDelivery
from glassmail.stations.domain_flags import effective_flags
from glassmail.store import lastauth, maildir_quota

SERVICES = (
    ("POP3", Flag.NO_POP),
    ("IMAP", Flag.NO_IMAP),
    ("SMTP", Flag.NO_SMTP),
    ("webmail", Flag.NO_WEBMAIL),
)


def mailbox_facts(found: VDelivery, domain_directory: bytes = b"") -> Trail:
    """Return the steps about the account of a decision; none where no account decides.

    Args:
        found: the decision.
        domain_directory: where the domain's limits are; empty when they do not matter.
    """
    if not found.delivered_to or found.report is not None:
        return ()
    steps: Trail = (_login(found, domain_directory),)
    limit = _quota(found)
    return steps if limit is None else (*steps, limit)


def _login(found: VDelivery, domain_directory: bytes) -> Step:
    flags, why = found.flags, ""
    if domain_directory:
        flags, why = effective_flags(flags, domain_directory)
    allowed = [name for name, bit in SERVICES if not flags & bit]
    try:
        last = lastauth.read(found.directory)
    except OSError as error:
        when = f"lastauth: {words_of(error).lower()}"
    else:
        when = "nobody has logged in"
        if last is not None:
            client = last.client.decode("ascii", "backslashreplace")
            when = f"last login {rfc822(last.when).decode()} from {client}"
    answer = ", ".join(allowed) or "nothing"
    limits = f", {flags:#x} with {why}" if why else ""
    source = f"flags {found.flags:#x}{limits}; {when}"
    return Step("account.login", found.delivered_to, answer, source)


def _quota(found: VDelivery) -> Step | None:
    try:
        limit = quota.parse(found.quota)
    except quota.QuotaError as error:
        return Step("account.quota", found.delivered_to, UNKNOWN, str(error))
    if limit.is_none:
        return None
    maildir = found.directory + b"/Maildir/"
    try:
        held, count = maildir_quota.usage(maildir, limit)
    except FileNotFoundError:
        held = count = 0  # the first delivery makes it
    except OSError as error:
        source = f"{words_of(error).lower()}: run as its owner"
        return Step("account.quota", found.delivered_to, UNKNOWN, source)
    full = maildir_quota.percent(held, count, limit)
    source = f"{held} bytes, {count} messages of {quota.render(limit).decode()}: {full} %"
    return Step("account.quota", found.delivered_to, YES if full < 100 else NO, source)
