"""Deliver one message to one local recipient, as qmail-local does.

Purpose:
    `deliver` is a generator that checks the home, the loop and the dot-qmail file and carries
    out its lines in order. What takes time for others' sake (a sync, the queue's answer) or may
    block (programs, locks) it asks for by yielding wants. `dry_run` tells instead.

Always:
    - Order and exit codes are qmail-local's: Maildirs, mboxes and programs in the file's order,
      forwards together at the end; exit 99 stops with success, and forwards gathered before go
      out; a failing line stops all, and what was delivered before stays.
    - Every way out of the generator commits the Maildir files it staged, and a file that could
      not be committed makes the outcome a deferral.
    - Success is returned only after every Commit had its answer.

Texts and codes: qmail-local.c; reference A7. Where the wants are answered: daemons.worker for
many at once, stations.deliver_alone for one.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple

from glassmail.core.formats.dot_qmail import Instruction, Kind
from glassmail.core.model.limits import HEADER_SCAN_BYTES_MAX
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import NO, Step
from glassmail.core.route.dot_qmail import is_looping, refusal
from glassmail.core.route.users import User
from glassmail.stations import deliver_vpopmail
from glassmail.stations.accounts import vdelivermail_line
from glassmail.stations.deliver_files import Files
from glassmail.stations.deliver_programs import Decide, Lines
from glassmail.stations.deliver_report import (
    CRASHED,
    TIMED_OUT,
    StopDeliveryError,
    assemble,
    outcome_of,
    program_verdict,
)
from glassmail.stations.deliver_requests import Forward
from glassmail.stations.deliver_wants import Course, Task, Terms, Want
from glassmail.stations.programs import Ended
from glassmail.stations.resolve import EDITING, DotQmailFound, find_dot_qmail
from glassmail.store.letter import LetterError
from glassmail.store.maildir import Folders, MaildirError

STICKY = b"Warning: home directory is sticky.\n"  # qmail-local.c checkhome, with -n


class Looks(NamedTuple):
    """How a delivery looks at the files of its user.

    Attributes:
        find: finds the instructions; given the user, the default delivery and whether the
            message is looping.
        decide: decides on a program line; given the line, HOME, EXT, HOST and what parts a
            mailbox and its extension.
    """

    find: Callable[[User, bytes, bool], DotQmailFound]
    decide: Decide


def find_now(user: User, default_delivery: bytes, looping: bool) -> DotQmailFound:
    """Ask stations.resolve for the instructions, remembering nothing."""
    return find_dot_qmail(user, False, default_delivery, is_looping=looping)


NOW = Looks(find_now, vdelivermail_line)


def deliver(task: Task, terms: Terms, folders: Folders, looks: Looks = NOW) -> Course:
    """Carry one delivery out; the generator's value is its Report.

    Args:
        task: the message and the recipient.
        terms: the site's rules.
        folders: Maildirs that the process has open.
        looks: how it looks at the files of its user.
    """
    steps: list[Step] = []
    files = Files(task, terms, folders, steps)
    lines = Lines(task, terms, files, steps, looks.decide)
    try:
        header = task.letter.start(HEADER_SCAN_BYTES_MAX)
    except LetterError as error:
        text = b"Unable to read message: " + str(error).encode() + b". (#4.3.0)\n"
        return Report(Outcome.DEFERRAL, text)
    looping = is_looping(header, lines.delivered_to)
    found = looks.find(task.user, terms.default_delivery, looping)
    steps.extend(found.steps)
    if found.report is not None or found.dot_qmail is None:
        report = found.report or Report(Outcome.DEFERRAL, b"")
        return Report(report.outcome, report.text, tuple(steps))
    lines.default = found.default
    return (yield from _Running(lines, found).course())


class _Running:
    """A delivery whose instructions are known."""

    def __init__(self, lines: Lines, found: DotQmailFound) -> None:
        self._lines = lines
        self._found = found
        self._recipients: list[bytes] = []
        self._outputs: list[bytes] = []
        self._files = self._forwards = self._programs = 0  # lines obeyed, as the report counts

    def course(self) -> Course:
        exit_code, text = 0, b""
        assert self._found.dot_qmail is not None
        try:
            for index, instruction in enumerate(self._found.dot_qmail.instructions):
                yield from self._obey(instruction, index)
        except StopDeliveryError as stop:
            exit_code, text = stop.exit_code, stop.text
        # Whatever happened, files that lines before have staged are delivered, as in qmail.
        trouble = yield from self._lines.files.commit()
        if trouble is not None:
            exit_code, text = 111, trouble.text
        if exit_code in (0, 99):
            try:
                text = yield from self._succeed()
                exit_code = 0
            except StopDeliveryError as stop:
                exit_code, text = stop.exit_code, stop.text
        self._outputs.append(text)
        steps = tuple(self._lines.steps)
        return Report(outcome_of(exit_code), assemble(self._outputs), steps)

    def _obey(self, instruction: Instruction, index: int) -> Generator[Want, None, None]:
        lines = self._lines
        kind, argument = instruction.kind, instruction.argument
        if kind is Kind.PROGRAM:
            self._programs += 1
        elif kind is Kind.FORWARD:
            self._forwards += 1
        else:
            self._files += 1
        refused = refusal(instruction, self._found.is_executable)
        if refused is not None:
            source = f"line {instruction.line}"
            lines.steps.append(Step("delivery.refusal", self._found.name, NO, source))
            raise StopDeliveryError(111, refused)
        if kind is Kind.MAILDIR:
            mark = b"P%d" % index if index else b""
            top = lines.return_path + lines.delivered_to
            try:
                lines.files.stage(lines.below_home(argument), argument, mark, top)
            except MaildirError as error:
                raise StopDeliveryError(111, error.text) from error
        elif kind is Kind.FORWARD:
            self._recipients.append(argument)
        elif kind is Kind.MBOX:
            yield from lines.append(argument)
        else:
            ended = yield from deliver_vpopmail.program_line(lines, argument, b"L%d" % index)
            self._judge(ended)

    def _judge(self, ended: Ended) -> None:
        """Go on after a program's exit 0; else stop, as qmail-local does with each exit code."""
        self._outputs.append(ended.output)
        if ended.is_timeout:
            raise StopDeliveryError(111, TIMED_OUT % self._lines.terms.limits.seconds)
        if ended.is_crash:
            raise StopDeliveryError(111, CRASHED)
        verdict = program_verdict(ended.exit_code)
        if verdict:
            raise StopDeliveryError(verdict)

    def _succeed(self) -> Generator[Want, None, bytes]:
        """Send the forwards; return the last lines of the report. Raises StopDeliveryError."""
        lines = self._lines
        did = b"did %d+%d+%d\n" % (self._files, self._forwards, self._programs)
        if not self._recipients:
            return did
        want = Forward(tuple(self._recipients), lines.new_sender, lines.delivered_to)
        yield want
        lines.note_forward(want)
        if want.letter != "K":
            text = b"Unable to forward message: " + want.text + b".\n"
            raise StopDeliveryError(100 if want.letter == "D" else 111, text)
        return did + b"qp %d\n" % want.message


class DryRun(NamedTuple):
    """What `qmail-local -n` prints.

    Attributes:
        warning: for descriptor 2, first.
        said: for descriptor 1: a line for each instruction, and the counts.
        report: how it ends; the text of one that is no success goes to descriptor 2.
    """

    warning: bytes
    said: bytes
    report: Report


def dry_run(task: Task, terms: Terms) -> DryRun:
    """Tell what a delivery would do; touches nothing."""
    found = find_dot_qmail(task.user, True, terms.default_delivery)
    is_edited = any(
        step.question == "routing.home" and step.source.endswith(EDITING) for step in found.steps
    )
    warning = STICKY if is_edited else b""
    if found.report is not None or found.dot_qmail is None:
        return DryRun(warning, b"", found.report or Report(Outcome.DEFERRAL, b"", found.steps))
    said: list[bytes] = []
    counts = dict.fromkeys(Kind, 0)
    for instruction in found.dot_qmail.instructions:
        counts[instruction.kind] += 1
        refused = refusal(instruction, found.is_executable)
        if refused is not None:
            report = Report(Outcome.DEFERRAL, refused, found.steps)
            return DryRun(warning, b"".join(said), report)
        said.append(b"%b %b\n" % (instruction.kind.value.encode(), instruction.argument))
    files = counts[Kind.MAILDIR] + counts[Kind.MBOX]
    said.append(b"did %d+%d+%d\n" % (files, counts[Kind.FORWARD], counts[Kind.PROGRAM]))
    return DryRun(warning, b"".join(said), Report(Outcome.SUCCESS, b"", found.steps))
