"""The system users that the daemons run as, qmail's names and groups; root makes the missing ones.

Debian's useradd and groupadd do the work, as they know /etc/login.defs, the free ids and the locks
of /etc/passwd. Existing users are taken as they are.
"""

import grp
import pwd
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

ADMINISTRATORS_GROUP = "glass"  # its members see all mail's fate in `glass why`
NO_LOGIN = "/usr/sbin/nologin"
NO_HOME = "/nonexistent"  # as Debian's own system users have it
TIMEOUT_S = 60


class SystemUser(NamedTuple):
    """A user and its group by name."""

    user: str
    group: str


# Role -> who it runs as (qmail's conf-users and conf-groups, vpopmail's own pair).
SYSTEM_USERS: dict[str, SystemUser] = {
    "smtpd": SystemUser("qmaild", "nofiles"),
    "queue": SystemUser("qmails", "qmail"),
    "local": SystemUser("root", "root"),
    "remote": SystemUser("qmailr", "qmail"),
    "keeper": SystemUser("vpopmail", "vchkpw"),
    "log": SystemUser("qmaill", "nofiles"),
    "alias": SystemUser("alias", "nofiles"),
}

Ids = dict[str, tuple[int, int]]


class UsersError(Exception):
    """A user or group cannot be made or used; the text says which, why and what to do."""


def make_missing(
    users: Mapping[str, SystemUser], homes: Mapping[str, str]
) -> tuple[Ids, tuple[str, ...]]:
    """Look up each role's user, making those that are missing.

    Args:
        users: role -> user and group.
        homes: role -> home directory of a user that has to be made; others get NO_HOME.

    Returns:
        role -> (uid, gid), and what had to be made, as sentences.

    Raises:
        UsersError: when a program fails, or a role other than local would run as root.
    """
    made: list[str] = []
    ids: Ids = {}
    _need_group(ADMINISTRATORS_GROUP, made)
    for role, (user, group) in users.items():
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            entry = _make_user(user, group, homes.get(role, NO_HOME), made)
        if entry.pw_uid == 0 and role != "local":
            raise UsersError(f"{role} may not run as root: name another user with --user {role}=")
        ids[role] = entry.pw_uid, entry.pw_gid
    return ids, tuple(made)


def refuse_misspelt(users: Mapping[str, SystemUser]) -> None:
    """Raise UsersError for a user that is neither there nor one that is made when missing."""
    usual = {each.user for each in SYSTEM_USERS.values()}
    for role, (user, _group) in users.items():
        if user in usual:
            continue
        try:
            pwd.getpwnam(user)
        except KeyError as error:
            raise UsersError(
                f"--user {role}={user}: there is no user {user}: make it first, or name one that "
                "there is"
            ) from error


def administrators_gid() -> int | None:
    """Return the group id of the administrators, None when there is no such group."""
    try:
        return grp.getgrnam(ADMINISTRATORS_GROUP).gr_gid
    except KeyError:
        return None


def _make_user(user: str, group: str, home: str, made: list[str]) -> pwd.struct_passwd:
    _need_group(group, made)
    options = ["--system", "--no-create-home", "--home-dir", home, "--shell", NO_LOGIN]
    _run("useradd", [*options, "--gid", group, "--", user])
    made.append(f"user {user} (group {group}, home {home})")
    return pwd.getpwnam(user)


def _need_group(group: str, made: list[str]) -> None:
    try:
        grp.getgrnam(group)
    except KeyError:
        _run("groupadd", ["--system", "--", group])
        made.append(f"group {group}")


def _run(program: str, arguments: list[str]) -> None:
    name = arguments[-1]
    try:
        done = subprocess.run(
            [program, *arguments],
            check=False,
            capture_output=True,
            timeout=TIMEOUT_S,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise UsersError(
            f"{program} is not installed, so {name} cannot be made: make it by hand, or use "
            "--one-user"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UsersError(f"{program} {name} has not ended in {TIMEOUT_S} seconds") from error
    if done.returncode:
        reason = done.stderr.decode("utf-8", "backslashreplace").strip()
        raise UsersError(f"{program} {name}: {reason or f'exit {done.returncode}'}")
