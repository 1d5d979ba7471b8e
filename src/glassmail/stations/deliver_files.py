"""The Maildir files of one delivery: staged line by line, committed together."""

import os
from collections.abc import Generator

from glassmail.core.model.trail import NO, YES, Step
from glassmail.stations.deliver_wants import Commit, Task, Terms
from glassmail.store.letter import Letter, LetterError
from glassmail.store.maildir import (
    CANNOT_READ,
    Folders,
    MaildirError,
    Staged,
    already,
    final_name,
    stage,
)


class Files:
    """What one delivery has put into Maildirs.

    Attributes:
        staged: files not yet committed.

    Always: a staged file is either committed (its owner yields the Commit) or its delivery has
    no outcome yet.
    """

    def __init__(self, task: Task, terms: Terms, folders: Folders, steps: list[Step]) -> None:
        self._task = task
        self._terms = terms
        self._folders = folders
        self._steps = steps
        self.staged: list[Staged] = []
        self._positions: list[int] = []  # of each file's step

    def stage(self, path: bytes, shown: bytes, line: bytes, top: bytes) -> bool:
        """Write the message into a Maildir's tmp/; `commit` does the rest.

        Args:
            path: the Maildir, absolute, ending in `/`.
            shown: what the trail calls it.
            line: part of the file's name that tells lines of one delivery apart.
            top: the lines before the message.

        Returns:
            Whether it was written; False when an earlier attempt had brought it there.

        Raises:
            MaildirError: with qmail's text.
        """
        try:
            staged, is_there = self._stage(path, line, top, self._task.letter)
        except MaildirError as error:
            self._steps.append(Step("delivery.maildir", shown, NO, error.reason))
            raise
        self.staged.append(staged)
        self._positions.append(len(self._steps))
        where = staged.path.decode("utf-8", "backslashreplace")
        self._steps.append(
            Step("delivery.maildir", shown, "already there" if is_there else YES, where)
        )
        return not is_there

    def stage_note(self, path: bytes, line: bytes, text: bytes) -> None:
        """Write a message of our own, not the one delivered, beside it; raises MaildirError."""
        staged, _is_there = self._stage(path, line, b"", Letter.of(text))
        self.staged.append(staged)
        self._positions.append(len(self._steps))
        where = staged.path.decode("utf-8", "backslashreplace")
        self._steps.append(Step("delivery.maildir", path, YES, where))

    def is_there(self, path: bytes, line: bytes, top: bytes) -> bool:
        """Tell whether an earlier attempt has brought the message there; raises MaildirError."""
        if self._task.attempt == 0 or not os.path.isdir(path):
            return False
        return self._folders.open(path).is_there(self._name(line, top, self._task.letter))

    def _stage(
        self, path: bytes, line: bytes, top: bytes, letter: Letter
    ) -> tuple[Staged, bool]:
        name = self._name(line, top, letter)
        folder = self._folders.open(path)
        if self._task.attempt > 0 and folder.is_there(name):
            return already(folder, name), True
        return stage(folder, name, top, letter), False

    def _name(self, line: bytes, top: bytes, letter: Letter) -> bytes:
        """Make the file's name: the same for every attempt, so that a repeat finds the file."""
        task = self._task
        size = len(top) + letter.size
        try:
            wire_size = size + top.count(b"\n") + letter.wire_extra()
        except LetterError as error:
            raise MaildirError(CANNOT_READ, str(error)) from error
        # The trace code keeps a queue whose numbers began anew (its database was lost) from
        # taking the name of a message that lies here.
        stem = b"%d.M%dR%dC%d%b" % (task.born, task.message, task.number, task.code, line)
        return final_name(stem, self._terms.host_name, size, wire_size)

    def commit(self) -> Generator[Commit, None, MaildirError | None]:
        """Have everything staged so far made durable; return the first error."""
        if not self.staged:
            return None
        want, positions = Commit(self.staged), self._positions
        self.staged, self._positions = [], []
        yield want
        first = None
        for staged, position, error in zip(want.files, positions, want.errors, strict=True):
            staged.close()
            if error is not None:
                first = first or error
                shown = self._steps[position].subject
                self._steps[position] = Step("delivery.maildir", shown, NO, error.reason)
        return first
