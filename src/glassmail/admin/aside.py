"""Take mail out of the way without losing it, or delete it; no symbolic link is ever followed.

A removed mailbox or domain is renamed into `.removed` beside it, `NAME.TIME`: one step, within
the same filesystem. Deleting goes through directory descriptors, so that a directory that is
changed into a link meanwhile leads nowhere else.
"""

import os
import stat
import time

from glassmail.store import edit

NAME = ".removed"
MODE = 0o700
DEPTH_MAX = 64  # directories below one another in a mailbox


def choose(directory: str, name: str) -> str:
    """Return a path that does not exist yet below DIRECTORY/.removed for something named so."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = os.path.join(directory, NAME, f"{name}.{stamp}")
    number = 1
    while os.path.lexists(path):
        number += 1
        path = os.path.join(directory, NAME, f"{name}.{stamp}.{number}")
    return path


def prepare(target: str, owner: tuple[int, int]) -> None:
    """Make sure that something can be moved to a path that `choose` gave, before all else.

    Raises:
        EditError: `.removed` cannot be made, or is no directory; nothing is changed then.
    """
    edit.make_directory(os.path.dirname(target), MODE, owner)
    try:
        os.close(_parent_of(target))
    except OSError as error:
        raise edit.because(os.path.dirname(target), error) from error


def move(path: str, target: str, owner: tuple[int, int]) -> bool:
    """Rename a file, directory or link to a path that `choose` gave.

    Returns:
        False when it is not there (any more).

    Raises:
        EditError: it cannot be moved.
    """
    if not os.path.lexists(path):
        return False
    edit.make_directory(os.path.dirname(target), MODE, owner)
    try:
        parent = _parent_of(target)
        try:
            os.rename(path, os.path.basename(target), dst_dir_fd=parent)
            os.fsync(parent)
        finally:
            os.close(parent)
        edit.sync_directory(os.path.dirname(path))
    except OSError as error:
        raise edit.because(path, error) from error
    return True


def _parent_of(target: str) -> int:
    # A link in the place of `.removed` would lead the mail elsewhere.
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(os.path.dirname(target), flags)


def purge(path: str) -> None:
    """Delete a file, a link itself, or a directory with all that is in it; raises EditError."""
    try:
        parent = os.open(
            os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        )
        try:
            _purge(os.path.basename(path), parent, 0)
            os.fsync(parent)
        finally:
            os.close(parent)
    except FileNotFoundError:
        return  # it is gone already, by a purge that was killed
    except OSError as error:
        raise edit.because(path, error) from error


def _purge(name: str, parent: int, depth: int) -> None:
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    if depth > DEPTH_MAX:
        raise OSError(f"more than {DEPTH_MAX} directories below one another")
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    directory = os.open(name, flags, dir_fd=parent)
    try:
        for entry in os.listdir(directory):
            _purge(entry, directory, depth + 1)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=parent)
