"""From a local part to the user and the dot-qmail file (qmail-lspawn, qmail-local).

Purpose:
    The local starter, the worker, the keeper and `glass trace` all ask here, each with its own
    rights: what it may not see is a deferral for a delivery, and "cannot tell" for a person.
    Users are found in `stations/users`; this module finds what their homes say.

Always:
    - Reports carry qmail-local's exact texts, with the final newline that it prints.
    - A dot-qmail file is opened without waiting (a fifo is skipped, not read) and read up to a
      limit; one larger is deferred.
    - The last step of the trail is the one that decided.
"""

import os
import stat
from typing import NamedTuple

from glassmail.core.formats import dot_qmail
from glassmail.core.formats.dot_qmail import DotQmail
from glassmail.core.model.limits import DOT_QMAIL_BYTES_MAX
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.system_errors import error_text, is_temporary
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step, Trail
from glassmail.core.route.dot_qmail import LOOPING, Candidate, candidates, safe_extension
from glassmail.core.route.users import User
from glassmail.stations.users import (
    NOBODY,
    NOT_AS_ROOT,
    UserFound,
    UserSources,
    find_user,
    sources_of,
)

__all__ = [
    "NOBODY",
    "NOT_AS_ROOT",
    "DotQmailFound",
    "OwnerFiles",
    "UserFound",
    "UserSources",
    "find_dot_qmail",
    "find_owner_files",
    "find_user",
    "sources_of",
]

NO_MAILBOX = b"Sorry, no mailbox here by that name. (#5.1.1)\n"
HOME_WRITABLE = b"Uh-oh: home directory is writable. (#4.7.0)\n"
EDITING = "sticky, its user is editing"  # why a home takes no mail now
HOME_STICKY = b"Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n"
FILE_WRITABLE = b"Uh-oh: .qmail file is writable. (#4.7.0)\n"
FIRST_LINE_BLANK = b"Uh-oh: first line of .qmail file is blank. (#4.2.1)\n"
USAGE = (
    b"qmail-local: usage: qmail-local [ -nN ] user homedir local dash ext domain sender "
    b"aliasempty\n"
)

_OTHERS_WRITE = stat.S_IWOTH  # conf-patrn 002
_DEFAULT_NAME = "control/defaultdelivery"


class DotQmailFound(NamedTuple):
    """What a user's home says about a message.

    Attributes:
        report: the outcome when nothing is to be run, else None.
        dot_qmail: the instructions, None with a report.
        name: the file, `.qmail-x`; `control/defaultdelivery` when that stands in for it.
        default: the variable DEFAULT, None for unset.
        is_executable: its x bit: only forwards may be obeyed.
        steps: the trail.
    """

    report: Report | None
    dot_qmail: DotQmail | None
    name: bytes
    default: bytes | None
    is_executable: bool
    steps: Trail


class OwnerFiles(NamedTuple):
    """Whether .qmail-x-owner and .qmail-x-owner-default exist; a report when it cannot be told."""

    has_owner: bool
    has_owner_default: bool
    report: Report | None
    steps: Trail


def find_dot_qmail(
    user: User, is_dry_run: bool, default_delivery: bytes, *, is_looping: bool = False
) -> DotQmailFound:
    """Check the home, then find and parse the file that says what happens (qmail-local).

    Args:
        user: whose home.
        is_dry_run: tell of a sticky home but go on, as `qmail-local -n` does.
        default_delivery: the text of control/defaultdelivery.
        is_looping: whether the message has this delivery's Delivered-To line already; qmail-local
            asks this after the home and before the files.
    """
    steps: list[Step] = []
    report = _check_home(user.home, is_dry_run, steps)
    if report is None and is_looping:
        steps.append(Step("routing.loop", b"Delivered-To", YES, "the message's header"))
        report = Report(Outcome.FAILURE, LOOPING)
    if report is not None:
        return _refused(report, steps)
    for candidate in candidates(user.dash, user.ext):
        found = _try_candidate(user.home, candidate, default_delivery, steps)
        if found is not None:
            return found
    if user.dash:
        return _refused(Report(Outcome.FAILURE, NO_MAILBOX), steps)
    return _default(Candidate(b".qmail", None), "there is none", default_delivery, steps)


def find_owner_files(user: User) -> OwnerFiles:
    """Look for the -owner files, which change the envelope sender of forwards (qmail-local.c)."""
    steps: list[Step] = []
    base = b".qmail" + user.dash + safe_extension(user.ext)
    found = []
    for name in (base + b"-owner", base + b"-owner-default"):
        try:
            os.stat(user.home + b"/" + name)
        except OSError as error:
            if is_temporary(error):
                steps.append(Step("routing.owner", name, UNKNOWN, _shown(user.home, error)))
                return OwnerFiles(False, False, _open_trouble(name, error), tuple(steps))
            steps.append(Step("routing.owner", name, NO, _shown(user.home)))
            break
        steps.append(Step("routing.owner", name, YES, _shown(user.home)))
        found.append(name)
    return OwnerFiles(len(found) > 0, len(found) > 1, None, tuple(steps))


def _check_home(home: bytes, is_dry_run: bool, steps: list[Step]) -> Report | None:
    if not home.startswith(b"/"):
        steps.append(Step("routing.home", home, NO, "its path does not begin with a slash"))
        return Report(Outcome.FAILURE, USAGE)
    try:
        # `/.` needs search permission on the directory itself, as chdir does.
        status = os.stat(home + b"/.")
    except OSError as error:
        reason = error_text(error)
        if isinstance(error, PermissionError):
            steps += _closed_directory(home)
        answer = UNKNOWN if isinstance(error, PermissionError) or is_temporary(error) else NO
        steps.append(Step("routing.home", home, answer, reason.decode()))
        text = b"Unable to switch to " + home + b": " + reason + b". (#4.3.0)\n"
        return Report(Outcome.DEFERRAL, text)
    mode = status.st_mode
    facts = f"owner {status.st_uid}:{status.st_gid}, mode {mode & 0o7777:04o}"
    if mode & _OTHERS_WRITE:
        steps.append(Step("routing.home", home, NO, f"{facts}: others may write"))
        return Report(Outcome.DEFERRAL, HOME_WRITABLE)
    if mode & stat.S_ISVTX:
        steps.append(Step("routing.home", home, NO, f"{facts}: {EDITING}"))
        return None if is_dry_run else Report(Outcome.DEFERRAL, HOME_STICKY)
    steps.append(Step("routing.home", home, YES, facts))
    return None


def _closed_directory(home: bytes) -> list[Step]:
    """Name the first directory above a home that we may not pass through, if we can see it."""
    at = home.find(b"/", 1)
    while at > 0:
        directory = home[:at]
        try:
            os.stat(directory + b"/.")
        except OSError:
            try:
                status = os.stat(directory)
            except OSError:  # the home's own error says as much
                return []
            mode = stat.S_IMODE(status.st_mode)
            source = f"owner {status.st_uid}:{status.st_gid}, mode {mode:04o}"
            return [Step("routing.directory", directory, NO, source)]
        at = home.find(b"/", at + 1)
    return []


def _try_candidate(
    home: bytes, candidate: Candidate, default_delivery: bytes, steps: list[Step]
) -> DotQmailFound | None:
    """Judge one file: None to look further."""
    name = candidate.name
    try:
        descriptor = os.open(home + b"/" + name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if isinstance(error, PermissionError) or is_temporary(error):
            steps.append(Step("routing.dot_qmail", name, UNKNOWN, _shown(home, error)))
            return _refused(_open_trouble(name, error), steps)
        steps.append(Step("routing.dot_qmail", name, NO, _shown(home)))
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            source = f"{_shown(home)}: it is no regular file, so it is passed over"
            steps.append(Step("routing.dot_qmail", name, NO, source))
            return None
        mode = status.st_mode & 0o7777
        if mode & _OTHERS_WRITE:
            source = f"{_shown(home)}, mode {mode:04o}: others may write it"
            steps.append(Step("routing.dot_qmail", name, YES, source))
            return _refused(Report(Outcome.DEFERRAL, FILE_WRITABLE), steps)
        return _read(descriptor, home, candidate, mode, default_delivery, steps)
    finally:
        os.close(descriptor)


def _read(
    descriptor: int,
    home: bytes,
    candidate: Candidate,
    mode: int,
    default_delivery: bytes,
    steps: list[Step],
) -> DotQmailFound:
    name = candidate.name
    try:
        data = _read_all(descriptor)
    except OSError as error:
        steps.append(Step("routing.dot_qmail", name, UNKNOWN, _shown(home, error)))
        return _refused(_open_trouble(name, error), steps)
    if len(data) > DOT_QMAIL_BYTES_MAX:
        steps.append(Step("routing.dot_qmail", name, YES, f"{_shown(home)}: it is too large"))
        text = b"Unable to open " + name + b": file too big. (#4.3.0)\n"
        return _refused(Report(Outcome.DEFERRAL, text), steps)
    if not data:
        steps.append(Step("routing.dot_qmail", name, YES, f"{_shown(home)}, mode {mode:04o}"))
        return _default(candidate, "it is empty", default_delivery, steps)
    parsed = dot_qmail.parse(data)
    if parsed.first_line_is_blank:
        source = f"{_shown(home)}, mode {mode:04o}: its first line is blank"
        steps.append(Step("routing.dot_qmail", name, YES, source))
        return _refused(Report(Outcome.DEFERRAL, FIRST_LINE_BLANK), steps)
    steps.append(Step("routing.dot_qmail", name, YES, f"{_shown(home)}, mode {mode:04o}"))
    is_executable = bool(mode & stat.S_IXUSR)
    return DotQmailFound(None, parsed, name, candidate.default, is_executable, tuple(steps))


def _read_all(descriptor: int) -> bytes:
    data = os.read(descriptor, 4_096)
    if len(data) < 4_096:  # a regular file gives less than asked for at its end only
        return data
    parts = [data]
    size = len(data)
    while data and size <= DOT_QMAIL_BYTES_MAX:
        data = os.read(descriptor, 65_536)
        parts.append(data)
        size += len(data)
    return b"".join(parts)


def _default(
    candidate: Candidate, reason: str, default_delivery: bytes, steps: list[Step]
) -> DotQmailFound:
    parsed = dot_qmail.parse(default_delivery)
    source = f"{_DEFAULT_NAME}, for {reason}"
    steps.append(Step("routing.default_delivery", candidate.name, "default", source))
    if parsed.first_line_is_blank:
        return _refused(Report(Outcome.DEFERRAL, FIRST_LINE_BLANK), steps)
    name = _DEFAULT_NAME.encode()
    return DotQmailFound(None, parsed, name, candidate.default, False, tuple(steps))


def _refused(report: Report, steps: list[Step]) -> DotQmailFound:
    trail = tuple(steps)
    return DotQmailFound(report._replace(steps=trail), None, b"", None, False, trail)


def _open_trouble(name: bytes, error: OSError) -> Report:
    text = b"Unable to open " + name + b": " + error_text(error) + b". (#4.3.0)\n"
    return Report(Outcome.DEFERRAL, text)


def _shown(home: bytes, error: OSError | None = None) -> str:
    where = home.decode("utf-8", "backslashreplace")
    return where if error is None else f"{where}: {error_text(error).decode()}"
