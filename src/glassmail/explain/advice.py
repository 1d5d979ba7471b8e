"""Which fault a trail and a report speak of: the reading that `trace` and `why` share.

Purpose:
    `of_delivery` takes the steps and the report of a delivery, imagined by `trace` or recorded for
    `why`, and names the fault. The report's text, qmail's own, says what happened; the steps name
    the file, directory or line.

Always:
    What is not recognised gets no advice, never a guess.
"""

import os
from collections.abc import Callable

from glassmail.core.formats.control import show
from glassmail.core.model import remote_texts
from glassmail.core.model.address import split_address
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.route.dot_qmail import HAS_FILE_AND_X_BIT, HAS_PROGRAM_AND_X_BIT
from glassmail.core.route.users import CDB_NAME
from glassmail.explain.remedies import NONE, Advice, advise
from glassmail.stations import resolve
from glassmail.stations.system_users import NO_ALIAS
from glassmail.stations.users import CDB_TROUBLE, LSPAWN_TROUBLE, NOT_AS_ROOT

_NO_MAILDIR = b"Unable to chdir to maildir. (#4.2.1)\n"


def of_delivery(steps: Trail, text: bytes, address: bytes) -> Advice:
    """Name the fault of a delivery that did not succeed; NONE when it is not recognised.

    Args:
        steps: routing and delivery together, as far as they are known.
        text: the report's.
        address: the recipient as it was written.
    """
    case = _Case(steps, text, address)
    stale = case.last("routing.assign_built")
    if stale is not None and stale.answer == NO and text == resolve.NO_MAILBOX:
        return advise("assign_stale")  # a line that was added does not count yet
    for reading in _READINGS:
        found = reading(case)
        if found is not None:
            return found
    return NONE


def of_refusal(steps: Trail, address: bytes, code: int) -> Advice:
    """Name the fault of what a session refused."""
    if not steps:
        return NONE
    last = steps[-1]
    if last.question == "routing.rcpthosts":
        return _of_relaying(steps, address)
    if last.question in _SESSION:
        name, when_unknown = _SESSION[last.question]
        if last.answer == UNKNOWN:
            name = when_unknown or name
        fields = {"source": last.source, "address": show(address), "sender": show(last.subject)}
        return advise(name, **fields)
    if last.question in {"session.recipient", "account.recipient"}:
        return advise("no_mailbox", address=show(address))
    if last.question == "session.queue" and code < 500:
        return advise("not_queued")
    return advise("refused", source=last.source)


# Question that a refusal rests on -> remedy, and the one for "cannot tell".
_SESSION = {
    "session.client-rule": ("client_denied", ""),
    "session.badmailfrom": ("badmailfrom", ""),
    "session.badrcptto": ("badrcptto", ""),
    "session.badhelo": ("badhelo", ""),
    "session.helocheck": ("badhelo", "dns_soft"),
    "session.mfcheck": ("sender_domain", "dns_soft"),
    "session.rcptcheck": ("rcptcheck", "rcptcheck_broken"),
    "session.validrcptto": ("validrcptto", ""),
    "session.recipients": ("recipients_list", ""),
}


def _of_relaying(steps: Trail, address: bytes) -> Advice:
    """Tell why a client could not relay; of older events nothing is known of the client."""
    domain = show(split_address(address)[1])
    for step in steps:
        if step.question == "session.relayclient" and step.answer == NO:
            fields = {"source": step.source, "client": show(step.subject)}
            return advise("relay", domain=domain, address=show(address), **fields)
    return advise("rcpthosts", domain=domain)


class _Case:
    """Steps by question."""

    def __init__(self, steps: Trail, text: bytes, address: bytes) -> None:
        self.steps = steps
        self.text = text
        self.address = show(address)
        self.domain = show(split_address(address)[1])

    def last(self, question: str, *answers: str) -> Step | None:
        """The last step of a question, with one of these answers when some are given."""
        for step in reversed(self.steps):
            if step.question == question and (not answers or step.answer in answers):
                return step
        return None

    def first(self, question: str) -> Step | None:
        """The first step of a question."""
        return next((step for step in self.steps if step.question == question), None)

    @property
    def home(self) -> bytes:
        """The home, empty when none was looked at."""
        step = self.last("routing.home")
        return step.subject if step is not None else b""

    def file(self, step: Step) -> str:
        """The path of a dot-qmail file that a step is about."""
        return show(os.path.join(self.home, step.subject))


_Reading = Callable[[_Case], Advice | None]


def _users(case: _Case) -> Advice | None:
    if case.text in {CDB_TROUBLE.text, LSPAWN_TROUBLE.text}:
        return advise("assign_broken")
    if case.text == NOT_AS_ROOT.text:
        return advise("as_root")
    if case.text == NO_ALIAS.text:
        return advise("no_alias_user")
    return advise("one_user") if case.last("routing.one_user", NO) is not None else None


def _home(case: _Case) -> Advice | None:
    closed = case.last("routing.directory", NO)
    step = case.last("routing.home")
    user = _user_of(case)
    if closed is not None:
        name = "parent_missing" if "not exist" in closed.source else "parent_closed"
        facts = {"directory": show(closed.subject), "source": closed.source, "user": user}
        return advise(name, home=show(case.home), **facts)
    if step is None or step.answer == YES:
        return None
    names = {resolve.HOME_WRITABLE: "home_writable", resolve.HOME_STICKY: "home_sticky"}
    name = names.get(case.text, "home_missing" if step.answer == NO else "home_closed")
    return advise(name, home=show(step.subject), source=step.source, user=user)


def _dot_qmail(case: _Case) -> Advice | None:
    names = {
        resolve.FILE_WRITABLE: "dot_qmail_writable",
        resolve.FIRST_LINE_BLANK: "dot_qmail_blank",
        HAS_FILE_AND_X_BIT: "dot_qmail_x_bit",
        HAS_PROGRAM_AND_X_BIT: "dot_qmail_x_bit",
    }
    step = case.last("routing.dot_qmail")
    if step is None:
        return None
    if case.text in names:
        return advise(names[case.text], file=case.file(step))
    if case.text.startswith(b"Unable to open " + step.subject + b":"):
        name = "dot_qmail_closed" if step.answer == UNKNOWN else "dot_qmail_large"
        return advise(name, file=case.file(step), source=step.source)
    return None


def _missing(case: _Case) -> Advice | None:
    if case.text != resolve.NO_MAILBOX:
        return None
    if case.last("delivery.program") is not None or case.last("account.catch_all") is not None:
        return advise("no_mailbox", address=case.address)
    exact = case.first("routing.dot_qmail")
    alias = case.last("routing.alias")
    if exact is None:
        account = case.last("routing.account", NO)
        return advise("nobodys") if account is not None and not account.subject else None
    if alias is None:
        return advise("extension_missing", home=show(case.home), file=case.file(exact))
    virtual = case.last("routing.virtualdomains", YES) or case.last("routing.catch_all", YES)
    if virtual is not None:
        prefix = virtual.source.rpartition(":")[2] + "-"
        return advise(
            "assign_missing", local=show(alias.subject), source=virtual.source, prefix=prefix
        )
    return advise("alias_missing", local=show(alias.subject), file=case.file(exact))


def _mailbox(case: _Case) -> Advice | None:
    if case.text != _NO_MAILDIR:
        return None
    step = case.last("routing.mailbox", NO) or case.last("delivery.maildir", NO)
    below = step.subject.removeprefix(b"./") if step is not None else b""
    path = show(os.path.join(case.home, below))
    source = step.source if step is not None else "it is no Maildir"
    return advise("mailbox_closed", path=path, source=source, user=_user_of(case))


def _remote(case: _Case) -> Advice | None:
    texts = remote_texts
    domain = case.domain
    if case.text.startswith(b"Sorry, I couldn't find any host named "):
        # A name without MX records was asked for its addresses, an unknown name was not.
        is_known = case.last("remote.addresses", NO) is not None
        return advise("no_mx" if is_known else "no_such_host", domain=domain)
    if case.text == texts.NO_EXCHANGER.text:
        return advise("no_mx", domain=domain)
    if case.text in {texts.LOOKUP_FAILED.text, texts.NO_HOST_FOUND.text}:
        return advise("mx_unknown", domain=domain)
    if case.text == texts.AMBIGUOUS_MX.text:
        return advise("mx_is_us", domain=domain)
    if case.text == texts.NO_CONNECTION.text:
        return advise("no_connection", address=case.address)
    broken = case.last("remote.route_readable", NO)
    return advise("route_broken", source=broken.source) if broken is not None else None


def _program(case: _Case) -> Advice | None:
    step = case.last("routing.dot_qmail", YES)
    if case.last("delivery.program") is None or step is None:
        return None
    return advise("program_refused", file=case.file(step))


_READINGS: tuple[_Reading, ...] = (_users, _remote, _home, _dot_qmail, _missing, _mailbox, _program)


def _user_of(case: _Case) -> str:
    """Who the delivery runs as, as far as the steps name it."""
    alias = case.last("routing.alias")
    if alias is not None:
        return "the alias user"
    account = case.last("routing.account", YES)
    if account is not None:
        return show(account.subject)
    assigned = case.last("routing.assign", YES)
    return assigned.source.removeprefix(f"{CDB_NAME} ") if assigned is not None else "its user"
