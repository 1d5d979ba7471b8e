"""What a change of several files has begun, so that the next command finishes it after a kill.

Purpose:
    One file can be replaced whole; a domain's lines are in five. Before the first is changed,
    what is to be done is written down, synced; afterwards it is taken away. Whoever changes
    something next finds what a killed command left, and does it again from its start: each
    step changes nothing where it was done already.

Always:
    - The file is written and read under the lock that its changes are made under.
    - It may hold a password's hash, and only its owner may read it.
"""

import json
import os

from glassmail.admin import aside
from glassmail.admin.account_error import AccountError
from glassmail.store import edit

FILE_MODE = 0o600
_BYTES_MAX = 1_048_576

Task = dict[str, str]


class Journal:
    """One file; it is there only while something is under way, or was killed."""

    def __init__(self, path: str, owner: tuple[int, int] | None = None) -> None:
        self._path = path
        self._owner = owner

    def is_there(self) -> bool:
        """Tell whether something is under way, or was killed."""
        return os.path.lexists(self._path)

    def begin(self, task: Task) -> None:
        """Write down what is about to be done; raises EditError."""
        edit.replace(self._path, json.dumps(task).encode("utf-8"), FILE_MODE, self._owner)

    def end(self) -> None:
        """It is done; raises EditError."""
        try:
            os.unlink(self._path)
            edit.sync_directory(os.path.dirname(self._path))
        except FileNotFoundError:
            pass  # begun twice, ended once: the first end was enough
        except OSError as error:
            raise edit.because(self._path, error) from error

    def unfinished(self) -> Task | None:
        """Return what a killed command left; raises AccountError when it cannot be read."""
        try:
            with open(self._path, "rb") as file:
                task = json.loads(file.read(_BYTES_MAX))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise AccountError(f"{self._path}: {error}: look at it, then remove it") from error
        if not isinstance(task, dict):
            raise AccountError(f"{self._path}: no task: look at it, then remove it")
        return {str(key): str(value) for key, value in task.items()}


def sweep(directory: str) -> None:
    """Remove the temporary files that killed commands left; those of living ones stay.

    Their names end in the process's number: the file `rcpthosts.tmp.4711`, the directory
    `.new.bob.4711`. A directory `bob.tmp.4711` is somebody's mailbox.
    """
    try:
        with os.scandir(directory) as entries:
            left = [entry.path for entry in entries if _is_temporary(entry)]
    except OSError:
        return  # what cannot be listed is not ours to tidy
    for path in left:
        aside.purge(path)


def _is_temporary(entry: os.DirEntry[str]) -> bool:
    stem, _dot, number = entry.name.rpartition(".")
    if not (number.isascii() and number.isdigit()):
        return False
    is_file = stem.endswith(".tmp") and entry.is_file(follow_symlinks=False)
    is_ours = is_file or entry.name.startswith(".new.")
    return is_ours and not _lives(int(number[:10]))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has a number so large
        return False
    except PermissionError:
        return True  # somebody else's, which lives
    return True
