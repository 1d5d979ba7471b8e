"""Whose mail a local part is: users/cdb, system accounts, the alias user (qmail-lspawn).

Always:
    - Only users/cdb counts, as in qmail; that it is missing or older than users/assign is told.
    - Reports carry qmail-lspawn's exact texts, with their final newline.
    - Nobody is delivered to as root, and by a one-user server as nobody but its user.
    - The last step of the trail is the one that decided.
"""

import os
from dataclasses import dataclass
from typing import NamedTuple

from glassmail.core.formats import daemons
from glassmail.core.formats.cdb import CdbError
from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.system_errors import error_text
from glassmail.core.model.trail import NO, UNKNOWN, Step, Trail
from glassmail.core.route.users import CDB_NAME, BrokenAssignError, User, find_assigned
from glassmail.settings.place import Place
from glassmail.stations.system_users import NO_ALIAS, find_account, find_alias
from glassmail.store.cdb import Cdb

CDB_TROUBLE = Report(Outcome.DEFERRAL, b"Trouble reading users/cdb in qmail-lspawn.\n")
LSPAWN_TROUBLE = Report(Outcome.DEFERRAL, b"Internal qmail-lspawn bug.\n")
NOT_AS_ROOT = Report(Outcome.DEFERRAL, b"Not allowed to perform deliveries as root.\n")
# qmail-lspawn succeeds here without delivering anything; we lose no mail that was accepted.
NOBODY = Report(Outcome.FAILURE, b"Sorry, no mailbox here by that name. (#5.1.1)\n")


class UserFound(NamedTuple):
    """Whose mail it is. With a report there is nothing to run: it is the delivery's outcome.

    An empty local part is nobody's: its report is a failure (docs/quirks.md; with qmail-lspawn
    mail to `<>` vanishes).
    """

    user: User | None
    report: Report | None
    steps: Trail


@dataclass(frozen=True, slots=True)
class UserSources:
    """Where users are looked up, and whom this server can deliver as.

    Attributes:
        assign: users/cdb.
        assign_text: path of users/assign, to tell when the cdb is older.
        alias_home: ROOT/alias.
        alias_ids: (uid, gid) of the alias user by users/daemons, None to ask the system.
        break_character: what parts user and extension.
        only_uid: the uid that a one-user server delivers as, None for any but root.
    """

    assign: Cdb
    assign_text: str
    alias_home: str
    alias_ids: tuple[int, int] | None = None
    break_character: bytes = b"-"
    only_uid: int | None = None


def sources_of(place: Place, break_character: bytes = b"-") -> UserSources:
    """Name a site's sources of users, by its users/daemons.

    users/cdb and users/assign are looked at anew at each question; users/daemons, which changes
    only with a restart, is read here.

    Raises:
        OSError, DaemonsError: users/daemons is there but cannot be used.
    """
    try:
        with open(place.daemons, "rb") as file:
            table = daemons.parse(file.read())
    except FileNotFoundError:
        table = {}
    local, smtpd = table.get("local"), table.get("smtpd")
    is_one_user = local is not None and local == smtpd
    return UserSources(
        Cdb(place.assign_cdb, CDB_NAME),
        place.assign,
        place.alias,
        table.get("alias"),
        break_character[:1],
        local[0] if local is not None and is_one_user else None,
    )


def find_user(local: bytes, sources: UserSources) -> UserFound:
    """Find whose mail a local part is: users/cdb, then system accounts, then the alias user."""
    if not local:
        source = "an empty local part is nobody's"
        return UserFound(None, NOBODY, (Step("routing.account", local, NO, source),))
    steps: list[Step] = []
    user, report = _assigned(local, sources, steps)
    if user is None and report is None:
        user, report = find_account(local, sources.break_character, steps)
    if user is None and report is None:
        user, step = find_alias(local, sources.alias_home, sources.alias_ids)
        steps.append(step)
        report = NO_ALIAS if user is None else None
    if user is not None:
        report = _may_deliver(user, sources.only_uid, steps)
    trail = tuple(steps)
    return (
        UserFound(None, report._replace(steps=trail), trail)
        if report
        else UserFound(user, None, trail)
    )


def _may_deliver(user: User, only_uid: int | None, steps: list[Step]) -> Report | None:
    if only_uid is None:
        if user.uid:
            return None
        steps.append(Step("routing.root", user.name, NO, "uid 0"))
        return NOT_AS_ROOT
    if user.uid == only_uid:
        return None
    source = f"it runs everything as uid {only_uid} (users/daemons), this is uid {user.uid}"
    steps.append(Step("routing.one_user", user.name, NO, source))
    text = f"This server runs as uid {only_uid} and cannot deliver as uid {user.uid}. (#4.3.5)\n"
    return Report(Outcome.DEFERRAL, text.encode("ascii"))


def _assigned(
    local: bytes, sources: UserSources, steps: list[Step]
) -> tuple[User | None, Report | None]:
    try:
        file = sources.assign.current()
        if file is None:
            if os.path.exists(sources.assign_text):
                steps.append(_assign_built(NO, "users/cdb is missing: run qmail-newu"))
            steps.append(Step("routing.assign", local, NO, f"{CDB_NAME} (no such file)"))
            return None, None
        if _changed_ns(sources.assign_text) > file.mtime_ns:
            source = "users/assign is newer, its changes do not count yet: run qmail-newu"
            steps.append(_assign_built(NO, source))
        user, step = find_assigned(local, file)
    except BrokenAssignError as error:
        steps.append(Step("routing.assign", local, UNKNOWN, str(error)))
        return None, LSPAWN_TROUBLE if error.is_record else CDB_TROUBLE
    except (OSError, CdbError) as error:
        reason = error_text(error).decode() if isinstance(error, OSError) else str(error)
        steps.append(Step("routing.assign", local, UNKNOWN, f"{CDB_NAME}: {reason}"))
        return None, CDB_TROUBLE
    steps.append(step)
    return user, None


def _assign_built(answer: str, source: str) -> Step:
    return Step("routing.assign_built", b"users/assign", answer, source)


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:  # no text beside the cdb, or not ours to see: nothing to compare with
        return 0
