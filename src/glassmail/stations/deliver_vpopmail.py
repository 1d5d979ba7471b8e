"""Carry out what vdelivermail decides, without starting it (vdelivermail.c, reference A16.3).

The decision is stations.accounts'; here are its effects: the mailbox's Maildir with its quota,
forwards, and the lines of the mailbox's own .qmail file. Exit codes and texts are vdelivermail's.
"""

import os
from collections.abc import Generator

from glassmail.core.formats import dot_qmail, quota
from glassmail.core.formats.dot_qmail import Kind
from glassmail.core.model.limits import HEADER_SCAN_BYTES_MAX
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.route.dot_qmail import is_looping
from glassmail.stations import deliver_quota
from glassmail.stations.accounts import VDelivery, VKind
from glassmail.stations.deliver_programs import Lines
from glassmail.stations.deliver_report import program_verdict
from glassmail.stations.deliver_requests import Forward
from glassmail.stations.deliver_wants import Want
from glassmail.stations.programs import Ended
from glassmail.store import domain_usage
from glassmail.store.maildir import CANNOT_ENTER, MaildirError, make_mailbox

LOOPING = b"mail is looping\n"


def program_line(lines: Lines, command: bytes, mark: bytes) -> Generator[Want, None, Ended]:
    """Carry out a program line of a dot-qmail file, be it vdelivermail's or another.

    Args:
        lines: the delivery.
        command: the line without its `|`.
        mark: tells files of this line from those of others in their names.
    """
    user = lines.task.user
    parting = lines.terms.break_character
    decision = lines.decide(command, user.home, user.ext, lines.task.host, parting)
    if decision is None:
        return (yield from lines.program(command, user.home))
    ended = yield from _carry_out(lines, decision, mark)
    lines.note_program(command, ended, "in the worker")
    return ended


def _carry_out(lines: Lines, decision: VDelivery, mark: bytes) -> Generator[Want, None, Ended]:
    lines.steps.extend(decision.steps)
    said = decision.report.text if decision.report is not None else b""
    if decision.kind is VKind.DELETE:
        return Ended(0, said)
    if decision.kind is VKind.BOUNCE:
        return Ended(100, said)
    if decision.kind is VKind.DEFER:
        return Ended(111, said)
    if decision.delivered_to and _is_looping(lines, decision.delivered_to):
        return Ended(100, said + LOOPING)
    if decision.kind is VKind.MAILDIR:
        ended = _store(lines, decision, decision.target, decision.target, mark)
    elif decision.kind is VKind.FORWARD:
        ended = yield from _forward(lines, decision.target)
    else:
        ended = yield from _instructions(lines, decision, mark)
    return ended._replace(output=said + ended.output) if said else ended


def _instructions(lines: Lines, decision: VDelivery, mark: bytes) -> Generator[Want, None, Ended]:
    """Obey the lines of the mailbox's .qmail file; relative paths are meant from its directory."""
    output = b""
    for index, line in enumerate(dot_qmail.parse(decision.data).instructions):
        argument = line.argument
        if line.kind is Kind.MBOX:
            return Ended(111, output + b"can't handle mbox delivery for " + argument)
        if line.kind is Kind.MAILDIR:
            path = argument
            if not path.startswith(b"/"):
                path = decision.directory + b"/" + path
            ended = _store(lines, decision, path, argument, mark + b"V%d" % index)
        elif line.kind is Kind.FORWARD:
            ended = yield from _forward(lines, argument.removeprefix(b"&"))
        else:
            ended = yield from lines.program(argument.lstrip(b" |"), decision.directory)
        output += ended.output
        if ended.is_crash or ended.is_timeout:
            return Ended(111, output, is_timeout=ended.is_timeout)
        if ended.exit_code:
            return Ended(program_verdict(ended.exit_code), output)
    return Ended(0, output)


def _store(lines: Lines, decision: VDelivery, path: bytes, shown: bytes, mark: bytes) -> Ended:
    top = lines.return_path + b"Delivered-To: " + decision.delivered_to + b"\n"
    size = len(top) + lines.task.letter.size
    is_mailbox = path == decision.directory + b"/Maildir/"
    limit = deliver_quota.limit_of(lines, decision.quota) if is_mailbox else quota.NO_QUOTA
    place = deliver_quota.Filling(path, limit, size, mark)
    try:
        if not limit.is_none and not os.path.isdir(path):
            make_mailbox(decision.directory)
        # A message that an earlier attempt brought there has taken its room already.
        is_there = lines.files.is_there(path, mark, top)
        if is_mailbox and not is_there and deliver_quota.is_domain_full(lines, size):
            return Ended(100, deliver_quota.DOMAIN_OVER_QUOTA)
        is_checked = not limit.is_none and not is_there
        if is_checked and not place.has_room(lines):
            return Ended(100, deliver_quota.over_quota_text(lines.task.user.home) + b"\n")
        try:
            is_new = lines.files.stage(path, shown, mark, top)
        except MaildirError as error:
            if error.text != CANNOT_ENTER or not is_mailbox or os.path.isdir(path):
                raise
            make_mailbox(decision.directory)
            is_new = lines.files.stage(path, shown, mark, top)
        if is_new and is_checked:
            place.note(lines, decision.delivered_to)
        if is_new:
            domain_usage.add(lines.task.user.home, size)
    except (MaildirError, OSError) as error:
        lines.steps.append(Step("delivery.maildir", shown, NO, str(error)))
        return Ended(111, b"system error\n")
    return Ended(0, b"")


def _forward(lines: Lines, address: bytes) -> Generator[Want, None, Ended]:
    if _is_looping(lines, address):
        return Ended(100, LOOPING)
    task = lines.task
    own = task.user.ext + b"@" + task.host  # the recipient without the prepend
    want = Forward((address,), task.sender, b"Delivered-To: " + own + b"\n")
    yield want
    lines.note_forward(want)
    if want.letter == "K":
        return Ended(0, b"")
    return Ended(100 if want.letter == "D" else 111, b"system error calling qmail-inject\n")


def _is_looping(lines: Lines, address: bytes) -> bool:
    line = b"Delivered-To: " + address.replace(b"\n", b"_") + b"\n"
    if line == lines.delivered_to or is_looping(
        lines.task.letter.start(HEADER_SCAN_BYTES_MAX), line
    ):
        lines.steps.append(Step("delivery.looping", line[:-1], YES, "the header"))
        return True
    return False
