"""The way to a home directory: which directory on it stops its user, or lets others in."""

import os
import stat
from typing import NamedTuple

from glassmail.core.model.system_errors import error_text
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.route.users import User
from glassmail.explain.remedies import Advice, advise


class Way(NamedTuple):
    """What is known of the directories above a home.

    Attributes:
        steps: one for each, from `/` down.
        closed: the first one that the user may not pass through, empty when none.
        unknown: the first one that we may not look at, empty when none.
        warnings: directories that others could put something else into.
    """

    steps: tuple[Step, ...]
    closed: str
    unknown: str
    warnings: tuple[Advice, ...]


def way_home(user: User) -> Way:
    """Look at every directory above the user's home."""
    steps: list[Step] = []
    warnings: list[Advice] = []
    path = b"/"
    for part in [b"", *user.home.rstrip(b"/").split(b"/")[1:-1]]:
        if part:
            path = os.path.join(path, part)
        shown = os.fsdecode(path)
        try:
            status = os.stat(path)
        except OSError as error:
            reason = error_text(error).decode()
            is_hidden = isinstance(error, PermissionError)
            steps.append(Step("routing.directory", path, UNKNOWN if is_hidden else NO, reason))
            closed, unknown = ("", shown) if is_hidden else (shown, "")
            return Way(tuple(steps), closed, unknown, tuple(warnings))
        mode = stat.S_IMODE(status.st_mode)
        facts = f"owner {status.st_uid}:{status.st_gid}, mode {mode:04o}"
        if not _may_search(status, user):
            steps.append(Step("routing.directory", path, NO, facts))
            return Way(tuple(steps), shown, "", tuple(warnings))
        if mode & 0o022 and not mode & stat.S_ISVTX:
            facts += ": others may write to it"
            source = f"mode {mode:04o}"
            warnings.append(advise("directory_writable", directory=shown, source=source))
        steps.append(Step("routing.directory", path, YES, facts))
    return Way(tuple(steps), "", "", tuple(warnings))


def files_warnings(user: User, dot_qmail: bytes) -> list[Advice]:
    """Tell of a home and a dot-qmail file that their group may write to; qmail allows that."""
    paths = [user.home]
    if not dot_qmail.startswith(b"control/"):
        paths.append(os.path.join(user.home, dot_qmail))
    warnings = []
    for path in paths:
        try:
            mode = stat.S_IMODE(os.stat(path).st_mode)
        except OSError:  # looked at a moment ago; whatever happened since is no warning
            continue
        if mode & stat.S_IWGRP:
            facts = {"path": os.fsdecode(path), "source": f"mode {mode:04o}"}
            warnings.append(advise("group_writable", user=os.fsdecode(user.name), **facts))
    return warnings


def _may_search(status: os.stat_result, user: User) -> bool:
    if user.uid == 0:
        return True
    if status.st_uid == user.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == user.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
