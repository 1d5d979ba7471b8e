"""Look whether the queue on the disk is whole, and mend what is not.

Purpose:
    `glass queue check` and `qmail-qmaint`. What is found is a list of findings; each says what
    the server does about it by itself, and carries the way to mend it where there is one.

May touch:
    queue/ below ROOT; the database itself only while no server runs (the queue process owns it).

Always:
    - Looking changes nothing, apart from what opening a database after a crash recovers.
    - Nothing of a message is ever removed by mending: files go to queue/aside, a message whose
      body is gone is held, so that an administrator decides about it.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import apsw

from glassmail.admin import queue_faults
from glassmail.admin.queue_faults import CheckError, Finding
from glassmail.core.model.system_errors import words_of
from glassmail.settings.place import Place
from glassmail.store.queue import inspect

__all__ = ["Check", "CheckError", "Finding", "alone", "check", "is_running", "repair", "take_out"]


class Check(NamedTuple):
    """What a look found.

    Attributes:
        findings: in the order in which they should be mended.
        is_complete: whether the database was looked at too.
        messages: how many are in the queue, None when not looked at.
        handed_in: how many wait in queue/drop until a server takes them in.
    """

    findings: list[Finding]
    is_complete: bool
    messages: int | None
    handed_in: int


def is_running(place: Place) -> bool:
    """Tell whether a supervisor holds the site; raises CheckError without the right to look."""
    try:
        descriptor = os.open(place.supervisor_pid, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CheckError(f"{place.supervisor_pid}: {words_of(error)}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """Keep servers from starting meanwhile; raises CheckError when one runs."""
    try:
        descriptor = os.open(place.supervisor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CheckError(f"{place.supervisor_lock}: {words_of(error)}") from error
    try:
        if os.geteuid() == 0:  # it has to be the server's own, whoever runs that
            owner = os.stat(place.path("run"))
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise CheckError("a server runs here and owns the queue: glass stop first") from error
    finally:
        os.close(descriptor)


def repair(place: Place, told: Callable[[Finding], None]) -> Check:
    """Mend what can be mended and look again, until nothing is left to mend.

    Call it inside `alone`.

    Args:
        place: the site.
        told: called with each finding that was mended.

    Raises:
        CheckError: when something cannot be mended; what was mended before stays so.
    """
    seen: set[tuple[str, str]] = set()
    while True:
        found = check(place, is_alone=True)
        todo = next((f for f in found.findings if f.mend and (f.kind, f.subject) not in seen), None)
        if todo is None or todo.mend is None:
            return found
        seen.add((todo.kind, todo.subject))
        try:
            todo.mend()
        except (apsw.Error, OSError) as error:
            raise CheckError(f"{todo.subject} could not be mended: {error}") from error
        told(todo)


def check(place: Place, *, is_alone: bool = False) -> Check:
    """Look at everything that may be looked at now; raises CheckError."""
    if not os.path.isdir(place.path("queue")):
        raise CheckError(f"{place.path('queue')} does not exist: make a site with `glass init`")
    try:
        dropped, handed_in = queue_faults.drop(place)
        files = [*queue_faults.rights(place), *dropped]
        if not is_alone and is_running(place):
            return Check(files, is_complete=False, messages=None, handed_in=handed_in)
        found, messages = queue_faults.database(place)
        findings = [*files, *found, *queue_faults.aside(place)]
        return Check(findings, is_complete=True, messages=messages, handed_in=handed_in)
    except PermissionError as error:
        raise CheckError(f"{error.filename}: {words_of(error)}: run as root") from error


def take_out(place: Place, message: int) -> bool:
    """Write a message to queue/aside and remove it; False when there is none. Inside `alone`."""
    try:
        return inspect.take_out(place.queue_db, message, place.queue_aside)
    except (apsw.Error, OSError) as error:
        raise CheckError(f"{place.queue_db}: {error}") from error
