"""Program and mbox lines of one delivery, and the variables that programs see."""

import os
import time
from collections.abc import Callable, Generator
from functools import cached_property

from glassmail.core.formats.control import show
from glassmail.core.formats.date import from_line as from_line_date
from glassmail.core.model.limits import HEADER_SCAN_BYTES_MAX
from glassmail.core.model.redaction import safe_arguments
from glassmail.core.model.system_errors import error_text
from glassmail.core.model.trail import NO, YES, Step
from glassmail.core.route.delivery_environment import (
    DOUBLE_BOUNCE_SENDER,
    delivered_to_line,
    delivery_environment,
    new_sender,
    return_path_line,
)
from glassmail.stations import deliver_own, programs
from glassmail.stations.accounts import VDelivery
from glassmail.stations.deliver_files import Files
from glassmail.stations.deliver_report import ONE_USER, StopDeliveryError
from glassmail.stations.deliver_requests import Forward, Look, Run
from glassmail.stations.deliver_wants import Alone, Task, Terms, Want
from glassmail.stations.programs import Ended
from glassmail.stations.resolve import find_owner_files
from glassmail.store.letter import LetterError
from glassmail.store.maildir import CANNOT_READ
from glassmail.store.mbox import MboxError, append

Decide = Callable[[bytes, bytes, bytes, bytes, bytes], VDelivery | None]


class Lines:
    """How the lines of one delivery are carried out that are no plain Maildir lines."""

    def __init__(
        self, task: Task, terms: Terms, files: Files, steps: list[Step], decide: Decide
    ) -> None:
        self.task = task
        self.decide = decide  # on a program line, as vdelivermail_line does
        self.terms = terms
        self.files = files
        self.steps = steps
        self.default: bytes | None = None  # the variable DEFAULT, once the file is known
        self.delivered_to = delivered_to_line(task.local, task.host)
        self.return_path = return_path_line(task.sender)
        self._is_alone = False

    def program(self, command: bytes, directory: bytes) -> Generator[Want, None, Ended]:
        """Carry out a program line: one of our programs here, all else by the shell."""
        call = deliver_own.parse(command, self.terms.own_directories)
        if call is not None:
            ended = yield from self._own(call, directory)
            self.note_program(command, ended, "in the worker")
            return ended
        run = Run(programs.shell(command))
        yield from self._run(run, directory)
        if run.ended is None:
            reason = error_text(run.error) if run.error is not None else b""
            raise StopDeliveryError(111, b"Unable to run /bin/sh: " + reason + b". (#4.3.0)\n")
        self.note_program(command, run.ended, "/bin/sh")
        return run.ended

    def _own(self, call: deliver_own.OwnCall, directory: bytes) -> Generator[Want, None, Ended]:
        course = deliver_own.PROGRAMS[call.program](call.arguments, self.environment)
        while True:
            try:
                want = next(course)
            except StopIteration as stop:
                ended: Ended = stop.value
                return ended
            if isinstance(want, Forward):
                yield want
                self.note_forward(want)
            elif isinstance(want, Look):
                self._look(want, directory)
            else:
                yield from self._run(want, directory)

    def _look(self, look: Look, directory: bytes) -> None:
        try:
            look.header = self.task.letter.start(HEADER_SCAN_BYTES_MAX)
        except LetterError as error:
            raise StopDeliveryError(111, CANNOT_READ) from error
        look.directory, look.host_name = directory, self.terms.host_name

    def _run(self, run: Run, directory: bytes) -> Generator[Want, None, None]:
        yield from self._go_alone()
        try:
            stdin = self.task.letter.as_file(run.top)
        except (OSError, LetterError) as error:
            raise StopDeliveryError(111, CANNOT_READ) from error
        try:
            run.ended = programs.run(
                run.arguments, directory, self.environment, stdin, self.terms.limits
            )
        except OSError as error:
            run.error = error
        finally:
            os.close(stdin)

    def append(self, argument: bytes) -> Generator[Want, None, None]:
        """Carry out an mbox line."""
        yield from self._go_alone()
        top = self.environment[b"UFLINE"] + self.return_path + self.delivered_to
        path = self.below_home(argument)
        try:
            append(path, argument, top, self.task.letter)
        except MboxError as error:
            self.steps.append(Step("delivery.mbox", argument, NO, show(error.text)))
            raise StopDeliveryError(111, error.text) from error
        self.steps.append(Step("delivery.mbox", argument, YES, show(path)))

    def below_home(self, path: bytes) -> bytes:
        """Make a path of a dot-qmail line absolute: it is meant from the home."""
        if path.startswith(b"/"):
            return path
        return self.task.user.home + b"/" + path.removeprefix(b"./")

    def _go_alone(self) -> Generator[Want, None, None]:
        """Get to where blocking is allowed; the lines before are finished first, as in qmail."""
        if self.terms.refuses_programs:
            raise StopDeliveryError(111, ONE_USER)
        if not self._is_alone:
            want = Alone(self.files.staged)
            yield want
            if want.refusal:
                raise StopDeliveryError(111, want.refusal)
            self._is_alone = True
        trouble = yield from self.files.commit()
        if trouble is not None:
            raise StopDeliveryError(111, trouble.text)

    def note_forward(self, want: Forward) -> None:
        """Put a forward's answer into the trail."""
        answer = f"message {want.message}" if want.letter == "K" else NO
        source = show(want.text) if want.text else "the queue"
        shown = b", ".join(want.recipients[:3]) + (b", ..." if len(want.recipients) > 3 else b"")
        self.steps.append(Step("delivery.forward", shown, answer, source))

    def note_program(self, command: bytes, ended: Ended, where: str) -> None:
        """Put a program's end into the trail."""
        answer = "crashed" if ended.is_crash else f"exit {ended.exit_code}"
        self.steps.append(Step("delivery.program", safe_arguments(command), answer, where))

    @cached_property
    def new_sender(self) -> bytes:
        """NEWSENDER: whom forwards are from. Raises StopDeliveryError."""
        task = self.task
        if task.sender in (b"", DOUBLE_BOUNCE_SENDER):
            return task.sender
        owner = find_owner_files(task.user)
        self.steps.extend(owner.steps)
        if owner.report is not None:
            raise StopDeliveryError(111, owner.report.text)
        return new_sender(
            task.sender, task.local, task.host, owner.has_owner, owner.has_owner_default
        )

    @cached_property
    def environment(self) -> dict[bytes, bytes]:
        """The variables that programs see, and no others. Raises StopDeliveryError."""
        task = self.task
        date = from_line_date(int(time.time()))
        variables = delivery_environment(
            task.user, task.local, task.host, task.sender, self.new_sender, self.default, date
        )
        return {**dict(self.terms.environment), b"PATH": self.terms.path, **variables}
