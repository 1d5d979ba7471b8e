"""Does mail for this recipient lead anywhere? The keeper's question, asked by smtpd at RCPT.

Purpose:
    Walk the way a delivery would walk, with the same functions (route, find_user, find_dot_qmail,
    vdelivermail), and stop before any effect.

Always:
    - No only when the delivery itself would bounce. What this process may not see, and files in
      disorder, are "cannot tell", so that nobody is refused by a wrong guess.
    - The last step is the answer and says what it rests on.

Refuses:
    A recipient of another server is not judged: yes. Forwards are not followed.
"""

import os
from dataclasses import dataclass

from glassmail.core.ask import Existence
from glassmail.core.formats.dot_qmail import Instruction, Kind
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.route.dot_qmail import refusal
from glassmail.core.route.rewrite import Channel, RoutingTables, route
from glassmail.core.route.users import User
from glassmail.stations.accounts import VDelivery, VKind, vdelivermail_line
from glassmail.stations.resolve import DotQmailFound, UserSources, find_dot_qmail, find_user


@dataclass(frozen=True, slots=True)
class Sources:
    """What an answer rests on.

    Attributes:
        tables: as the queue holds them, of start or reload.
        users: users/cdb, system accounts, the alias user.
        default_delivery: control/defaultdelivery.
    """

    tables: RoutingTables
    users: UserSources
    default_delivery: bytes


def account_exists(recipient: bytes, sources: Sources) -> Existence:
    """Tell whether mail for an envelope recipient would find a mailbox, forward or program."""
    if b"\0" in recipient:
        return _answer(NO, recipient, "a NUL byte, which no name has", ())
    destination = route(recipient, sources.tables)
    steps = destination.steps
    if destination.channel is Channel.REMOTE:
        return _answer(YES, recipient, "it goes to another server, which judges itself", steps)
    local, _at, host = destination.address.rpartition(b"@")
    found = find_user(local, sources.users)
    steps += found.steps
    if found.user is None:
        return _from_report(recipient, found.report, steps)
    dot_qmail = find_dot_qmail(found.user, True, sources.default_delivery)
    steps += dot_qmail.steps
    if dot_qmail.dot_qmail is None:
        return _from_report(recipient, dot_qmail.report, steps)
    return _from_instructions(recipient, dot_qmail, found.user, host, sources, steps)


def _from_instructions(
    recipient: bytes,
    dot_qmail: DotQmailFound,
    user: User,
    host: bytes,
    sources: Sources,
    steps: Trail,
) -> Existence:
    assert dot_qmail.dot_qmail is not None
    name = os.fsdecode(dot_qmail.name)
    for instruction in dot_qmail.dot_qmail.instructions:
        text = refusal(instruction, dot_qmail.is_executable)
        if text is not None:
            return _from_report(recipient, Report(Outcome.DEFERRAL, text), steps)
        delivery = _vdelivermail(instruction, user, host, sources)
        if delivery is None:
            source = f"{name}:{instruction.line} {instruction.kind.value}"
            return _answer(YES, recipient, source, steps)
        steps += delivery.steps
        if delivery.kind in (VKind.BOUNCE, VKind.DEFER):
            return _from_report(recipient, delivery.report, steps)
        return _answer(YES, recipient, f"vdelivermail: {delivery.kind.value}", steps)
    return _answer(YES, recipient, f"{name} has no lines to obey: mail is thrown away", steps)


def _vdelivermail(
    instruction: Instruction, user: User, host: bytes, sources: Sources
) -> VDelivery | None:
    if instruction.kind is not Kind.PROGRAM:
        return None
    break_character = sources.users.break_character
    return vdelivermail_line(instruction.argument, user.home, user.ext, host, break_character)


def _from_report(recipient: bytes, report: Report | None, steps: Trail) -> Existence:
    # No is a failure, or the "success" of mail for nobody, which would vanish.
    answer = UNKNOWN if report is None or report.outcome is Outcome.DEFERRAL else NO
    text = report.text if report is not None else b""
    source = text.decode("utf-8", "backslashreplace").strip() or "nobody's"
    if answer is UNKNOWN and any(step.answer == UNKNOWN for step in steps):
        source += f" (asked as uid {os.geteuid()}: ask as root to be sure)"
    return _answer(answer, recipient, source, steps)


def _answer(answer: str, recipient: bytes, source: str, steps: Trail) -> Existence:
    return Existence(answer, (*steps, Step("account.recipient", recipient, answer, source)))
