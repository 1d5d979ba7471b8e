"""What each line of a dot-qmail file would do for one message, without doing it."""

import os
from enum import Enum
from typing import NamedTuple

from glassmail.core.formats import dot_qmail
from glassmail.core.formats.control import show
from glassmail.core.formats.dot_qmail import DotQmail, Instruction, Kind
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.route.dot_qmail import refusal
from glassmail.core.route.users import User
from glassmail.explain.mailbox import maildir_step, mbox_step
from glassmail.stations.accounts import VDelivery, VKind, vdelivermail_line


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
        remedy: what to do about it, empty when nothing.
    """

    words: tuple[str, ...]
    forwards: tuple[tuple[bytes, str], ...]
    state: State = State.FINE
    remedy: str = ""


class Scene(NamedTuple):
    """Where lines are obeyed: whose, for which domain, in which directory, from which file."""

    user: User
    domain: bytes
    directory: bytes
    file: str
    break_character: bytes
    is_virtual: bool = False


def follow(parsed: DotQmail, is_executable: bool, scene: Scene, steps: list[Step]) -> Effect:
    """Go through the lines of a dot-qmail file as a delivery would, up to one that fails."""
    words: list[str] = []
    forwards: list[tuple[bytes, str]] = []
    for instruction in parsed.instructions:
        text = refusal(instruction, is_executable)
        effect = (
            _failed(instruction, scene, text, steps)
            if text is not None
            else _one(instruction, scene, steps)
        )
        words += effect.words
        forwards += effect.forwards
        if effect.state is not State.FINE:
            # qmail-local stops at a failing line; forwards are sent at the end, so none goes out.
            return Effect(tuple(words), tuple(forwards), effect.state, effect.remedy)
    if not words:
        words.append("take it and throw it away, for no line does anything")
    return Effect(tuple(words), tuple(forwards))


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
        return Effect((words,), (), State.PROBLEM, f"write a Maildir into {where}")
    path = os.path.join(scene.directory, argument.removeprefix(b"./"))
    is_maildir = instruction.kind is Kind.MAILDIR
    step = maildir_step(path) if is_maildir else mbox_step(path)
    steps.append(step)
    name = "Maildir" if is_maildir else "mbox"
    return _mailbox(step, f"deliver it to the {name} {show(path)}", scene.user)


def _mailbox(step: Step, words: str, user: User) -> Effect:
    if step.answer == YES:
        return Effect((words,), ())
    if step.answer == UNKNOWN:
        return Effect((words,), (), State.UNKNOWN, _ask_as(user))
    remedy = f"{step.source}: make it as {show(user.name)}, or mend its mode"
    return Effect(
        (f"keep it and try again later, for it cannot {words}",), (), State.PROBLEM, remedy
    )


def _program(instruction: Instruction, scene: Scene, where: str, steps: list[Step]) -> Effect:
    command = instruction.argument
    steps.append(Step("routing.instruction", command, "program", where))
    user = scene.user
    found = vdelivermail_line(command, user.home, user.ext, scene.domain, scene.break_character)
    if found is None:
        return Effect((f"run the program {show(command)} as {show(user.name)}",), ())
    steps.extend(found.steps)
    return _virtual(found, scene, where, steps)


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
    if found.steps and found.steps[-1].answer == UNKNOWN:
        return Effect((report_words(report),), (), State.UNKNOWN, _ask_as(scene.user))
    remedy = f"add the mailbox, or change {where}" if found.kind is VKind.BOUNCE else ""
    return Effect((report_words(report),), (), State.PROBLEM, remedy)


def _failed(instruction: Instruction, scene: Scene, text: bytes, steps: list[Step]) -> Effect:
    where = f"{scene.file}:{instruction.line}"
    steps.append(Step("routing.instruction", instruction.argument, NO, where))
    words = report_words(Report(Outcome.DEFERRAL, text))
    remedy = f"take the x bit off {scene.file} (or the line +list out of it)"
    return Effect((words,), (), State.PROBLEM, remedy)


def _ask_as(user: User) -> str:
    return f"ask again as root or as {show(user.name)}"
