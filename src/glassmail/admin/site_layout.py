"""The directories of a site, each with its owner and permissions, in one table."""

import errno
import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

from glassmail.admin.system_users import Ids
from glassmail.core.formats.daemons import ROLES
from glassmail.settings.place import Place
from glassmail.store import edit


class Directory(NamedTuple):
    """One directory below ROOT.

    Attributes:
        path: below ROOT.
        role: whose it is; empty for root (or the caller of a one-user site).
        mode: permissions.
        about: why these.
        is_for_administrators: whether its group is the administrators'.
    """

    path: str
    role: str
    mode: int
    about: str
    is_for_administrators: bool = False


DIRECTORIES = (
    Directory("control", "", 0o755, "read by all, changed by root"),
    Directory("users", "", 0o755, "read by all, changed by root"),
    Directory("alias", "alias", 0o2755, "home of the alias user; the keeper looks into it"),
    Directory("queue", "queue", 0o711, "the queue's alone; x lets submitters reach drop"),
    Directory("queue/body", "queue", 0o700, "bodies travel as descriptors"),
    Directory("queue/aside", "queue", 0o700, "what the queue could not read"),
    Directory("queue/lock", "remote", 0o755, "tables of hosts that timed out, for qmail-tcpto"),
    Directory("queue/drop", "queue", 0o1733, "submitters write, but neither list nor remove"),
    Directory("gate", "smtpd", 0o700, "blocks and held accounts"),
    Directory("log", "log", 0o2750, "may hold addresses of everybody's mail", True),
    Directory("history", "log", 0o2750, "holds addresses of everybody's mail", True),
    Directory("ssl", "", 0o755, "certificates; keys have modes of their own"),
    Directory("run", "", 0o755, "the supervisor makes the sockets, before the daemons change user"),
    Directory("domains", "keeper", 0o700, "mailboxes of virtual domains"),
)


def build(root: str, fill: Callable[[str], None]) -> None:
    """Make a site beside ROOT and rename it to ROOT, so that a killed run leaves no half of one.

    Args:
        root: where the site shall be.
        fill: fills the directory that it is given, which does not exist yet.

    Raises:
        OSError: when a directory cannot be made or moved.
        EditError: when a mount point cannot be filled.
    """
    parent = os.path.dirname(root)
    staging = os.path.join(parent, f".{os.path.basename(root)}.new.{os.getpid()}")
    os.makedirs(parent, exist_ok=True)
    shutil.rmtree(staging, ignore_errors=True)  # of a killed run with our process id
    try:
        fill(staging)
        sync_tree(staging)
        put_in_place(staging, root)
    finally:
        shutil.rmtree(staging, ignore_errors=True)  # gone already when all went well


def make_directories(
    place: Place,
    ids: Ids,
    owner: tuple[int, int],
    administrators: int | None,
    without: frozenset[str] = frozenset(),
) -> None:
    """Make ROOT and every directory of the table.

    Args:
        place: where.
        ids: role -> (uid, gid).
        owner: whose the directories without a role are.
        administrators: group of log and history; None leaves them to the log's group.
        without: paths of the table that are not made.

    Raises:
        EditError: when one cannot be made.
    """
    edit.make_directory(place.root, 0o755, owner)
    for directory in DIRECTORIES:
        if directory.path in without:
            continue
        uid, gid = ids[directory.role] if directory.role else owner
        if directory.is_for_administrators and administrators is not None:
            gid = administrators
        edit.make_directory(place.path(directory.path), directory.mode, (uid, gid))


def one_user_ids(uid: int, gid: int) -> Ids:
    """Give every role to one user."""
    return dict.fromkeys(ROLES, (uid, gid))


def sync_tree(root: str) -> None:
    """Bring every directory below ROOT to the disk; raises OSError. Files were synced as made."""
    for directory, _names, _files in os.walk(root):
        edit.sync_directory(directory)


def put_in_place(staging: str, root: str) -> None:
    """Put the finished site in its place: one rename, or for a mount point control/ last.

    Raises:
        OSError: when it cannot be moved.
        EditError: when a mount point cannot be filled.
    """
    try:
        os.rename(staging, root)  # over an empty directory too
        edit.sync_directory(os.path.dirname(root))
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.EXDEV, errno.ENOTEMPTY, errno.EPERM):
            raise
    else:
        return
    # ROOT is a mount point, or another user gave it to us in a sticky directory (EPERM). A site
    # counts as one by its control directory, so that comes last.
    aside = os.path.join(root, f".new.{os.getpid()}")
    try:
        shutil.copytree(staging, aside, symlinks=True, copy_function=_copy)
        _give_tree(staging, aside)
        sync_tree(aside)
        for name in sorted(os.listdir(aside), key=lambda name: name == "control"):
            os.rename(os.path.join(aside, name), os.path.join(root, name))
        edit.sync_directory(root)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _copy(source: str, target: str) -> str:
    with open(source, "rb") as file:
        data = file.read()
    status = os.stat(source)
    edit.replace(target, data, status.st_mode & 0o7777, (status.st_uid, status.st_gid))
    return target


def _give_tree(source: str, target: str) -> None:
    for directory, names, _files in os.walk(source):
        for name in names:
            path = os.path.join(directory, name)
            status = os.stat(path)
            copy = os.path.join(target, os.path.relpath(path, source))
            edit.give(copy, (status.st_uid, status.st_gid))
            os.chmod(copy, status.st_mode & 0o7777)
