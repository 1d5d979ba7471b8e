"""Which fault a trail and a report speak of: the reading that `trace` and `why` share.

Purpose:
    `of_delivery` takes the steps and the report of a delivery, imagined by `trace` or recorded for
    `why`, and names the fault. The report's text, qmail's own, says what happened; the steps name
    the file, directory or line.

Always:
    What is not recognised gets no advice, never a guess.
"""

import errno
import os
from collections.abc import Callable

from glassmail.core.formats.bounce import GIVEN_UP
from glassmail.core.formats.control import show
from glassmail.core.model import remote_texts
from glassmail.core.model.address import split_address
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.route.dot_qmail import HAS_FILE_AND_X_BIT, HAS_PROGRAM_AND_X_BIT, LOOPING
from glassmail.core.route.users import CDB_NAME
from glassmail.explain.connections import of_connections
from glassmail.explain.remedies import NONE, Advice, advise
from glassmail.explain.said import cause_of, cause_of_reply, shown_words
from glassmail.stations import resolve
from glassmail.stations.deliver_report import CRASHED, TIMED_OUT
from glassmail.stations.system_users import NO_ALIAS
from glassmail.stations.users import CDB_TROUBLE, LSPAWN_TROUBLE, NOT_AS_ROOT

_NO_MAILDIR = b"Unable to chdir to maildir. (#4.2.1)\n"
_MISSING = os.strerror(errno.ENOENT).lower()


def of_delivery(
    steps: Trail, text: bytes, address: bytes, outcome: str = "", user: str = ""
) -> Advice:
    """Name the fault of a delivery that did not succeed; NONE when it is not recognised.

    Args:
        steps: routing and delivery together, as far as they are known.
        text: the report's.
        address: the recipient as it was written.
        outcome: K, Z or D where it is known.
        user: who it runs as, where that is known.
    """
    case = _Case(steps, text, address, outcome, user)
    stale = case.last("routing.assign_built")
    if stale is not None and stale.answer == NO and text == resolve.NO_MAILBOX:
        return advise("assign_stale")  # a line that was added does not count yet
    for reading in _READINGS:
        found = reading(case)
        if found is not None:
            return found
    return NONE


def of_refusal(steps: Trail, address: bytes, code: int, reply: bytes = b"") -> Advice:
    """Name the fault of what a session refused.

    Args:
        steps: what was asked; empty for an imported log.
        address: the recipient, or the sender where there is none.
        code: of the reply.
        reply: its text, for what only words tell.
    """
    if not steps:
        facts = {"address": show(address), "domain": show(split_address(address)[1])}
        return cause_of_reply(reply, **facts)
    last = steps[-1]
    if last.question == "routing.rcpthosts":
        return _of_relaying(steps, address)
    if last.question in _SESSION:
        name, when_unknown = _SESSION[last.question]
        if last.answer == UNKNOWN:
            name = when_unknown or name
        fields = {"source": last.source, "address": show(address), "sender": show(last.subject),
                  "network": last.source.partition(": ")[0]}  # fmt: skip
        return advise(name, **fields)
    if last.question in {"session.recipient", "account.recipient"}:
        return advise("no_mailbox", address=show(address))
    if last.question == "session.queue" and code < 500:
        return advise("not_queued")
    said = cause_of_reply(reply, source=last.source, address=show(address))
    if last.question == "session.order" and not said.id:
        return advise("bad_command")
    return said if said.id else advise("refused", source=last.source)


# Question that a refusal rests on -> remedy, and the one for "cannot tell".
_SESSION = {
    "session.client-rule": ("client_denied", ""),
    "session.badmailfrom": ("badmailfrom", ""),
    "session.blocked": ("blocked", ""),
    "session.connections": ("too_many_connections", ""),
    "session.load": ("too_busy", ""),
    "session.logins": ("too_many_logins", ""),
    "session.login": ("login_failed", "login_unknown"),
    "session.tls": ("tls_failed", ""),
    "session.force_tls": ("tls_first", ""),
    "session.authorization": ("login_first", ""),
    "session.security": ("security_variables", ""),
    "session.proxy": ("no_proxy", ""),
    "session.badrcptto": ("badrcptto", ""),
    "session.badhelo": ("badhelo", ""),
    "session.helocheck": ("badhelo", "dns_soft"),
    "session.mfcheck": ("sender_domain", "dns_soft"),
    "session.rcptcheck": ("rcptcheck", "rcptcheck_broken"),
    "session.validrcptto": ("validrcptto", ""),
    "session.recipients": ("recipients_list", ""),
    "session.databytes": ("too_large", ""),
    "session.declared-size": ("too_large", ""),
    "session.hops": ("too_many_hops", ""),
    "session.greetdelay": ("pre_greet", ""),
    "session.maxrcpt": ("too_many_recipients", ""),
    "session.localmfcheck": ("local_sender", ""),
    "session.rblsmtpd": ("refused_by_rule", ""),
    "session.relayrej": ("relay_forms", ""),
    "session.tarpit": ("tarpitted", ""),
    "session.invalid-recipients": ("guessing", ""),
    "session.line-ends": ("line_ends", ""),
    "session.patience": ("client_silent", ""),
    "session.queue-program": ("scanner_refused", ""),
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

    def __init__(
        self, steps: Trail, text: bytes, address: bytes, outcome: str, user: str
    ) -> None:
        self.steps = steps
        self.user = user
        self.outcome = outcome
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
    unreadable = case.last("account.domain", UNKNOWN)
    if unreadable is not None and case.outcome == "Z":
        domain = show(unreadable.subject)
        return advise("accounts_unreadable", domain=domain, source=unreadable.source)
    step = case.last("delivery.maildir", NO) or case.last("delivery.mbox", NO)
    if step is None:
        return None
    path = show(os.path.join(case.home, step.subject.removeprefix(b"./")))
    source, user = step.source, _user_of(case)
    if step.question == "delivery.mbox":  # its source is the report: `Unable to open F: why. (#c)`
        why = source.rpartition(" (#")[0].rstrip(".")
        return advise("mbox_closed", path=path, source=why.partition(": ")[2] or why, user=user)
    is_missing = case.text == _NO_MAILDIR and _MISSING in source
    name = "mailbox_closed" if is_missing else "mailbox_broken"
    return advise(name, path=path, source=source, user=user)


def _remote(case: _Case) -> Advice | None:
    texts = remote_texts
    domain = case.domain
    if case.text.startswith(b"Sorry, I couldn't find any host named "):
        # A name without MX records was asked for its addresses, an unknown name was not.
        is_known = case.last("remote.addresses", NO) is not None
        return advise("no_mx" if is_known else "no_such_host", domain=domain)
    if case.text == texts.NO_EXCHANGER.text:
        # The MX records name hosts, and every one of them was asked for its addresses in vain.
        is_hollow = case.last("remote.addresses", NO) is not None
        return advise("mx_unresolvable" if is_hollow else "no_mx", domain=domain)
    if case.text in {texts.LOOKUP_FAILED.text, texts.NO_HOST_FOUND.text}:
        return advise("mx_unknown", domain=domain)
    if case.text == texts.AMBIGUOUS_MX.text:
        return advise("mx_is_us", domain=domain)
    if case.text == texts.NO_CONNECTION.text:
        return of_connections(case.steps, case.address, case.domain)
    broken = case.last("remote.route_readable", NO)
    if broken is not None:
        return advise("route_broken", source=broken.source)
    return _of_dialogue(case)


def _of_dialogue(case: _Case) -> Advice | None:
    """Another server was reached: what it said decides, else how the connection ended."""
    dead = case.last("remote.alive", NO)
    reached = case.last("remote.connect", YES)
    server = show(reached.subject.partition(b" ")[0]) if reached is not None else ""
    facts = {"address": case.address, "domain": case.domain, "server": server}
    found = cause_of(case.text, **facts)
    if dead is not None and found.id == "their_hung_up" and "nothing came" in dead.source:
        return advise("their_silence", **facts)
    is_remote = reached is not None or b"emote host said" in case.text
    return found if found.id and (is_remote or found.id in _BY_WORDS) else None


# Causes that words alone tell, also of deliveries whose steps are not known (imported logs).
_BY_WORDS = frozenset({
    "too_old", "maybe_duplicate", "their_hung_up", "no_such_host", "no_mx", "mx_is_us",
    "mx_unknown", "certificate", "no_connection", "partial_line", "loop_here",
})  # fmt: skip


def _program(case: _Case) -> Advice | None:
    step = case.last("routing.dot_qmail", YES)
    run = case.last("delivery.program")
    if run is None or step is None:
        return None
    words = shown_words(case.text)
    if not words:
        return advise("program_refused", file=case.file(step))
    last = case.text[case.text.rstrip(b"\n").rfind(b"\n") + 1 :]  # its output stands before
    if last == CRASHED:
        return advise("program_crashed", file=case.file(step))
    if last.startswith(TIMED_OUT.partition(b"%")[0]):
        return advise("program_slow", file=case.file(step))
    is_temporary = case.outcome == "Z"
    return advise("program_deferred" if is_temporary else "program_said", file=case.file(step),
                  words=words)  # fmt: skip


def _looping(case: _Case) -> Advice | None:
    is_looping = case.text in {LOOPING, b"mail is looping\n"}
    return advise("loop_here") if is_looping else None


def _full(case: _Case) -> Advice | None:
    is_full = case.last("delivery.quota", NO) is not None
    return advise("mailbox_full", address=case.address) if is_full else None


def _old(case: _Case) -> Advice | None:
    """A message that grew too old: the words before say what deferred it."""
    return advise("too_old") if GIVEN_UP in case.text else None


def _words(case: _Case) -> Advice | None:
    """Without steps (an imported log) the words have to do."""
    if case.steps:
        return None
    found = cause_of(case.text, address=case.address, domain=case.domain)
    return found if found.id else None


_READINGS: tuple[_Reading, ...] = (
    _old, _users, _full, _remote, _home, _dot_qmail, _missing, _mailbox, _looping, _program, _words,
)  # fmt: skip


def _user_of(case: _Case) -> str:
    """Who the delivery runs as, as far as the steps name it."""
    if case.user:
        return case.user
    alias = case.last("routing.alias")
    if alias is not None:
        return "the alias user"
    account = case.last("routing.account", YES)
    if account is not None:
        return show(account.subject)
    assigned = case.last("routing.assign", YES)
    if assigned is None:
        return "its user"
    return f"the user of {assigned.source.removeprefix(f'{CDB_NAME} ')}"
