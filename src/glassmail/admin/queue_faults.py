"""What can be wrong with a queue on the disk, and how each fault is mended.

Always:
    - Looking changes nothing.
    - Nothing of a message is ever removed by mending: files go to queue/aside, a message whose
      body is gone is held, so that an administrator decides about it.
"""

import os
import stat
from collections.abc import Callable, Iterator
from typing import NamedTuple

import apsw

from glassmail.admin.site_layout import DIRECTORIES
from glassmail.core.formats import daemons
from glassmail.core.formats.drop import DropError
from glassmail.core.model.system_errors import words_of
from glassmail.settings.place import Place
from glassmail.stations.rights import as_user
from glassmail.store.control import read_file
from glassmail.store.drop import is_finished, open_drop
from glassmail.store.history.latest import latest
from glassmail.store.history.schema import HistoryError
from glassmail.store.queue import inspect, salvage
from glassmail.store.queue.disk import RESERVE_BYTES, is_body_name

_FILE_MODES = {"queue.db": 0o600, "queue.db-wal": 0o600, "queue.db-shm": 0o600, "reserve": 0o600}
_STALE_S = 86_400  # an unfinished file of a submitter is left alone for a day


class CheckError(Exception):
    """The queue cannot be looked at; the text says why and what to do."""


class Finding(NamedTuple):
    """Something that is not as it should be.

    Attributes:
        kind: word for programs, such as `body_truncated`.
        subject: file below ROOT, or `message N`.
        sentence: what is wrong.
        remedy: what mending does; empty when a person has to decide.
        mend: does it; None like an empty remedy.
    """

    kind: str
    subject: str
    sentence: str
    remedy: str = ""
    mend: Callable[[], object] | None = None


# --- owners and permissions ----------------------------------------------------------------------


def rights(place: Place) -> Iterator[Finding]:
    """Owners and permissions of queue/ and what is in it."""
    owners = _owners(place)
    for directory in DIRECTORIES:
        if directory.path == "queue" or directory.path.startswith("queue/"):
            path = place.path(directory.path)
            if not os.path.isdir(path):
                yield _missing_directory(path, directory.path, directory.mode)
                continue
            yield from _right(place, directory.path, owners.get(directory.role), directory.mode)
    for name, mode in _FILE_MODES.items():
        if os.path.lexists(place.path("queue", name)):
            yield from _right(place, f"queue/{name}", owners.get("queue"), mode)
    if os.path.isdir(place.queue_bodies):
        for name in sorted(os.listdir(place.queue_bodies)):
            if is_body_name(name):
                yield from _right(place, f"queue/body/{name}", owners.get("queue"), 0o600)


def _owners(place: Place) -> dict[str, tuple[int, int]]:
    """Role -> ids of the processes; in a site of one user, the site's owner for all."""
    data = read_file(place.daemons)
    if data is not None:
        try:
            return daemons.parse(data)
        except daemons.DaemonsError as error:
            raise CheckError(str(error)) from error
    status = os.stat(place.root)
    return dict.fromkeys(daemons.ROLES, (status.st_uid, status.st_gid))


def _right(
    place: Place, name: str, owner: tuple[int, int] | None, mode: int
) -> Iterator[Finding]:
    path = place.path(name)
    status = os.lstat(path)
    if owner is not None and status.st_uid != owner[0]:
        yield Finding(
            "wrong_owner", name, f"belongs to uid {status.st_uid} instead of {owner[0]}",
            f"give it to uid {owner[0]}",
            lambda: os.chown(path, *owner, follow_symlinks=False),
        )  # fmt: skip
    actual = stat.S_IMODE(status.st_mode)
    # A directory may be shut further than planned only where nobody else has to enter it.
    if actual != mode and not stat.S_ISLNK(status.st_mode):
        yield Finding(
            "wrong_mode", name, f"has mode {actual:04o} instead of {mode:04o}",
            f"set mode {mode:04o}", lambda: os.chmod(path, mode),
        )  # fmt: skip


def _missing_directory(path: str, name: str, mode: int) -> Finding:
    def mend() -> None:
        os.mkdir(path, 0o700)
        above = os.stat(os.path.dirname(path))
        os.chown(path, above.st_uid, above.st_gid)
        os.chmod(path, mode)

    return Finding("directory_missing", name, "does not exist", "make it", mend)


# --- queue/drop, queue/aside --------------------------------------------------------------------


def drop(place: Place) -> tuple[list[Finding], int]:
    """Return files of submitters that cannot be taken in, and how many others can."""
    findings: list[Finding] = []
    takeable = 0
    newest = max((os.stat(place.queue_drop).st_mtime, *_times(place.queue_drop)), default=0.0)
    for name in sorted(os.listdir(place.queue_drop)):
        path = os.path.join(place.queue_drop, name)
        subject = f"queue/drop/{name}"
        move = _aside_move(place, path, name)
        if not is_finished(name):
            if newest - os.lstat(path).st_mtime > _STALE_S:
                said = "was never finished by its submitter, who was told so"
                findings.append(
                    Finding("drop_unfinished", subject, said, "move it to queue/aside", move)
                )
            continue
        try:
            os.close(open_drop(path).fd)
        except (DropError, OSError) as error:
            said = f"cannot be taken in: {words_of(error)}"
            findings.append(
                Finding("drop_foreign", subject, said, "move it to queue/aside", move)
            )
        else:
            takeable += 1
    return findings, takeable


def _times(directory: str) -> list[float]:
    return [os.lstat(os.path.join(directory, name)).st_mtime for name in os.listdir(directory)]


def aside(place: Place) -> Iterator[Finding]:
    """What was set aside before."""
    for name in sorted(os.listdir(place.queue_aside)):
        yield Finding("aside", f"queue/aside/{name}", "was set aside: somebody has to look at it")


def _aside_move(place: Place, path: str, name: str) -> Callable[[], None]:
    def mend() -> None:
        target = os.path.join(place.queue_aside, name)
        if os.path.lexists(target):
            target += f".{os.getpid()}"
        os.rename(path, target)

    return mend


# --- the database and what its rows say ----------------------------------------------------------


def database(place: Place) -> tuple[list[Finding], int | None]:
    """The database, the body files its rows name, its end; and how many messages it holds."""
    if not os.path.lexists(place.queue_db):
        wal = place.queue_db + "-wal"
        if os.path.lexists(wal) and os.lstat(wal).st_size:
            said = "is gone, but its write-ahead log is there: put it back before the next start"
            return [Finding("database_missing", "queue/queue.db", said)], None
        return [], 0  # a new site
    owner = os.stat(place.queue_db)
    try:
        with as_user(owner.st_uid, owner.st_gid):  # what SQLite makes beside it belongs to them
            rows = inspect.look(place.queue_db)
    except apsw.Error as error:
        if not salvage.is_damage(error):
            raise CheckError(f"{place.queue_db}: {error}") from error
        return [_damaged(place, str(error))], None
    found: list[Finding] = []
    if rows.damage:
        found.append(_damaged(place, rows.damage))
    found += [_row_finding(place, fault) for fault in rows.faults]
    found += _bodies(place, rows)
    found += _gap(place, rows)
    return found, rows.messages


def _damaged(place: Place, reason: str) -> Finding:
    return Finding(
        "database_damaged", "queue/queue.db", f"is damaged ({reason})",
        "move it to queue/aside and save what can be read into a new one", lambda: _salvage(place),
    )  # fmt: skip


def _salvage(place: Place) -> None:
    owner = os.stat(place.path("queue"))
    salvage.salvage(place.path("queue"), place.queue_aside)
    os.chown(place.queue_db, owner.st_uid, owner.st_gid)
    os.chmod(place.queue_db, 0o600)


def _row_finding(place: Place, fault: inspect.Fault) -> Finding:
    return Finding(
        fault.kind, fault.subject, fault.sentence, fault.remedy,
        lambda: inspect.mend(place.queue_db, fault, place.queue_aside),
    )  # fmt: skip


def _bodies(place: Place, rows: inspect.Look) -> Iterator[Finding]:
    present = set(os.listdir(place.queue_bodies))
    for name, (size, messages) in sorted(rows.files.items()):
        subject = f"queue/body/{name}"
        whose = ", ".join(f"message {number}" for number in messages) or "no message"
        hold = inspect.hold(place.queue_db, messages)
        if name not in present:
            yield Finding("body_missing", subject, f"is missing: the body of {whose}",
                          f"hold {whose}", hold)  # fmt: skip
            continue
        status = os.lstat(os.path.join(place.queue_bodies, name))
        if not stat.S_ISREG(status.st_mode):
            yield Finding("body_foreign", subject, "is not a regular file", f"hold {whose}", hold)
        elif status.st_size != size:
            yield Finding(
                "body_truncated", subject,
                f"has {status.st_size} bytes instead of {size}: the body of {whose}",
                f"hold {whose}", hold,
            )  # fmt: skip
    for name in sorted(present - rows.files.keys()):
        move = _aside_move(place, os.path.join(place.queue_bodies, name), name)
        if is_body_name(name):
            said = "belongs to no message: half-made when a server ended, or of another queue.db"
        else:
            said = "is no file of ours"
        yield Finding("body_foreign", f"queue/body/{name}", said, "move it to queue/aside", move)
    reserve = place.path("queue", "reserve")
    if os.path.lexists(reserve) and os.lstat(reserve).st_size not in (0, RESERVE_BYTES):
        yield Finding("reserve", "queue/reserve", "has an odd size; the next start makes it anew")


def _gap(place: Place, rows: inspect.Look) -> Iterator[Finding]:
    """Compare with the history: a torn end of the write-ahead log is dropped without a word."""
    try:
        known = latest(place.history, rows.identity, rows.highest)
    except HistoryError as error:
        yield Finding("history_unread", "history", f"cannot be compared with the queue: {error}")
        return
    if known is None or (known.highest <= rows.highest and known.last_fact <= rows.last_fact):
        return
    lost = "".join(f"; message {m} from <{s}> to {r}" for m, s, r in known.unfinished)
    yield Finding(
        "numbers_lost", "queue/queue.db",
        f"ends at message {rows.highest}, but the history knows message {known.highest}: the end "
        f"of the write-ahead log is gone. Accepted there and not known to be delivered: "
        f"{len(known.unfinished)}{lost}",
        f"go on with number {known.highest + 1} and tell the log that its count begins anew",
        lambda: inspect.go_on_after(place.queue_db, known.highest),
    )  # fmt: skip
