"""What each line of a dot-qmail file would do for one message, without doing it."""

import errno
import os
from enum import Enum
from typing import NamedTuple

from glassmail.core.formats import dot_qmail
from glassmail.core.formats.control import show
from glassmail.core.formats.dot_qmail import DotQmail, Instruction, Kind
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.redaction import safe_arguments
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.route.dot_qmail import refusal
from glassmail.core.route.users import User
from glassmail.explain.mailbox import maildir_step, mbox_step
from glassmail.explain.remedies import NONE, Advice, advise, ask_as
from glassmail.stations import deliver_own
from glassmail.stations.account_facts import mailbox_facts
from glassmail.stations.accounts import VDelivery, VKind, vdelivermail_line

CLOSED = os.strerror(errno.EACCES)


class State(Enum):
    """How a trace ends."""

    FINE = "fine"
    PROBLEM = "problem"
    UNKNOWN = "cannot tell"


class Effect(NamedTuple):
    """What happens to the message by the lines read so far.

    Attributes:
        words: what each line does, in order, for the decision sentence.
        forwards: addresses it is sent on to, each with the line that says so.
        state: FINE, or why the rest is not reached.
        advice: what is wrong then, NONE when nothing.
        asks_owner: whether a delivery would look for the -owner files: for the variables of a
            program, for an mbox line's UFLINE, and before it forwards (not in vdelivermail).
        may_stop: whether a program decides if the lines below it count.
    """

    words: tuple[str, ...]
    forwards: tuple[tuple[bytes, str], ...]
    state: State = State.FINE
    advice: Advice = NONE
    asks_owner: bool = False
    may_stop: bool = False


class Scene(NamedTuple):
    """Where lines are obeyed: whose, for which domain, in which directory, from which file.

    `own_directories` are where programs of ours lie, `address` is what the trace is about.
    """

    user: User
    domain: bytes
    directory: bytes
    file: str
    break_character: bytes
    is_virtual: bool = False
    own_directories: tuple[bytes, ...] = ()
    address: bytes = b""


def follow(parsed: DotQmail, is_executable: bool, scene: Scene, steps: list[Step]) -> Effect:
    """Go through the lines of a dot-qmail file as a delivery would, up to one that fails."""
    words: list[str] = []
    forwards: list[tuple[bytes, str]] = []
    has_asked = will_ask = False
    for instruction in parsed.instructions:
        text = refusal(instruction, is_executable)
        effect = (
            _failed(instruction, scene, text, steps)
            if text is not None
            else _one(instruction, scene, steps)
        )
        words += effect.words
        if effect.may_stop and instruction is not parsed.instructions[-1]:
            words[-1] += ", and go on if it exits 0"
        forwards += effect.forwards
        has_asked = has_asked or effect.asks_owner
        will_ask = will_ask or (instruction.kind is Kind.FORWARD and not scene.is_virtual)
        if effect.state is not State.FINE:
            # qmail-local stops at a failing line; forwards are sent at the end, so none goes out.
            return Effect(tuple(words), tuple(forwards), effect.state, effect.advice, has_asked)
    if not words:
        words = ["take it and throw it away, for no line does anything"]
        return Effect(tuple(words), (), advice=advise("vanishes", file=scene.file))
    return Effect(tuple(words), tuple(forwards), asks_owner=has_asked or will_ask)


def report_words(report: Report) -> str:
    """Say in a few words what a report means for the message."""
    text = show(report.text.strip())
    if report.outcome is Outcome.DEFERRAL:
        return f"keep it and try again later: {text}"
    return f"bounce it: {text}" if report.outcome is Outcome.FAILURE else text


def _one(instruction: Instruction, scene: Scene, steps: list[Step]) -> Effect:
    argument = instruction.argument
    where = f"{scene.file}:{instruction.line}"
    if instruction.kind is Kind.FORWARD:
        steps.append(Step("routing.instruction", argument, "forward", where))
        return Effect((f"forward it to {show(argument)}",), ((argument, where),))
    if instruction.kind is Kind.PROGRAM:
        return _program(instruction, scene, where, steps)
    steps.append(Step("routing.instruction", argument, instruction.kind.value, where))
    if scene.is_virtual and instruction.kind is Kind.MBOX:
        words = "keep it and try again later: vdelivermail delivers to no mbox"
        return Effect((words,), (), State.PROBLEM, advise("mbox_in_virtual", file=where))
    path = os.path.join(scene.directory, argument.removeprefix(b"./"))
    is_maildir = instruction.kind is Kind.MAILDIR
    step = maildir_step(path) if is_maildir else mbox_step(path)
    steps.append(step)
    name = "Maildir" if is_maildir else "mbox"
    words = f"deliver it to the {name} {show(path)}"
    effect = _mailbox(step, words, scene.user, is_mbox=not is_maildir)
    return effect if is_maildir else effect._replace(asks_owner=True)


def _mailbox(step: Step, words: str, user: User, *, is_mbox: bool = False) -> Effect:
    if step.answer == YES:
        return Effect((words,), ())
    if step.answer == UNKNOWN:
        return Effect((words,), (), State.UNKNOWN, ask_as(user))
    is_there = os.path.lexists(step.subject.rstrip(b"/") or b"/")
    name = "mailbox_broken" if is_there else "mailbox_closed"
    if is_mbox:
        name = "mbox_closed"
    advice = advise(name, path=show(step.subject), source=step.source, user=show(user.name))
    return Effect(
        (f"keep it and try again later, for it cannot {words}",), (), State.PROBLEM, advice
    )


def _program(instruction: Instruction, scene: Scene, where: str, steps: list[Step]) -> Effect:
    command = instruction.argument
    steps.append(Step("routing.instruction", safe_arguments(command), "program", where))
    user = scene.user
    found = vdelivermail_line(command, user.home, user.ext, scene.domain, scene.break_character)
    if found is None:
        call = deliver_own.parse(command, scene.own_directories)
        if call is not None:
            return _own(call, command, scene, where)._replace(asks_owner=True)
        words = f"run the program {show(safe_arguments(command))} as {show(user.name)}"
        return Effect((words,), (), asks_owner=True, may_stop=True)
    steps.extend(found.steps)
    steps.extend(mailbox_facts(found, user.home))
    is_full = steps[-1].question == "account.quota" and steps[-1].answer == NO
    if is_full and found.kind is VKind.MAILDIR:
        said = "bounce what does not fit: user is over quota"
        advice = advise("mailbox_full", address=show(found.delivered_to))
        return Effect((said,), (), State.PROBLEM, advice)
    return _virtual(found, scene, where, steps)


_WITH_ARGUMENTS = frozenset({b"condredirect", b"bouncesaying", b"except", b"preline"})


def _own(call: deliver_own.OwnCall, command: bytes, scene: Scene, where: str) -> Effect:
    """Follow one of our own programs as far as it can be told without running another."""
    arguments = call.arguments
    if call.program == b"forward":
        shown = ", ".join(show(argument) for argument in arguments)
        forwards = tuple((argument, where) for argument in arguments)
        return Effect((f"forward it to {shown}",), forwards)
    asked = show(b" ".join(arguments[1:]))
    if call.program == b"condredirect" and len(arguments) > 1:
        words = f"forward it to {show(arguments[0])} and stop there if {asked} exits 0"
        return Effect((words,), ((arguments[0], where),))
    if call.program == b"bouncesaying" and arguments:
        said = show(arguments[0])
        if len(arguments) == 1:
            advice = advise("program_refused", file=scene.file)
            return Effect((f"bounce it: {said}",), (), State.PROBLEM, advice)
        return Effect((f"bounce it if {asked} exits 0: {said}",), ())
    if call.program in (b"vacation", b"autorespond"):
        said = f"answer it by {show(call.program)}, unless it is a list's, a bounce or automatic"
        return Effect((said,), ())
    if call.program == b"except" and arguments:
        return Effect((f"bounce it if {show(b' '.join(arguments))} exits 0",), ())
    if call.program in _WITH_ARGUMENTS and (not arguments or call.program != b"preline"):
        name = show(call.program)
        advice = advise("program_said", file=scene.file, words=f"{name}: usage")
        words = f"bounce it: {name} has too few arguments"
        return Effect((words,), (), State.PROBLEM, advice)
    shown = show(safe_arguments(command))
    words = f"run the program {shown} as {show(scene.user.name)}"
    return Effect((words,), (), may_stop=True)


def _virtual(found: VDelivery, scene: Scene, where: str, steps: list[Step]) -> Effect:
    if found.kind is VKind.FORWARD:
        return Effect((f"forward it to {show(found.target)}",), ((found.target, where),))
    if found.kind is VKind.DELETE:
        return Effect((f"delete it silently, as {where} says",), ())
    if found.kind is VKind.INSTRUCTIONS:
        inner = scene._replace(
            directory=found.directory, file=os.fsdecode(found.target), is_virtual=True
        )
        return follow(dot_qmail.parse(found.data), False, inner, steps)
    if found.kind is VKind.MAILDIR:
        words = f"deliver it to the Maildir {show(found.target)}"
        if not os.path.lexists(found.target):
            return Effect((words + ", made by the first delivery",), ())
        steps.append(maildir_step(found.target))
        return _mailbox(steps[-1], words, scene.user)
    report = found.report or Report(Outcome.DEFERRAL, b"")
    last = found.steps[-1] if found.steps else None
    if last is not None and last.answer == UNKNOWN:
        advice = _of_accounts(last, scene.user)
        # What is closed to us alone says nothing of what the server will do.
        words = "cannot tell" if advice.id == "ask_as" else report_words(report)
        return Effect((words,), (), State.UNKNOWN, advice)
    address = show(scene.address)
    advice = advise("no_mailbox", address=address) if found.kind is VKind.BOUNCE else NONE
    if found.steps and found.steps[-1].question == "account.takes_mail":
        advice = advise("mailbox_locked", address=show(found.steps[-1].subject))
    return Effect((report_words(report),), (), State.PROBLEM, advice)


def _failed(instruction: Instruction, scene: Scene, text: bytes, steps: list[Step]) -> Effect:
    where = f"{scene.file}:{instruction.line}"
    steps.append(Step("routing.instruction", instruction.argument, "refused", where))
    words = report_words(Report(Outcome.DEFERRAL, text))
    return Effect((words,), (), State.PROBLEM, advise("dot_qmail_x_bit", file=scene.file))


def _of_accounts(step: Step, user: User) -> Advice:
    """Others may see what is closed to us; a broken line or a silent data base nobody can."""
    is_theirs = os.geteuid() == user.uid  # the delivery would see no more
    if step.question != "account.domain":
        file = show(step.subject)
        told = advise("dot_qmail_closed", file=file, source=step.source)
        return told if is_theirs else ask_as(user)
    if CLOSED in step.source and not is_theirs:
        return ask_as(user)
    return advise("accounts_unreadable", domain=show(step.subject), source=step.source)
