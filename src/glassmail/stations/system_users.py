"""System accounts that take mail, and the alias user (qmail-getpw.c)."""

import os
import pwd
from typing import NamedTuple

from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.model.system_errors import error_text, is_temporary, words_of
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.route.users import User, cuts

ALIAS_NAME = b"alias"  # conf-users

NO_ALIAS = Report(Outcome.DEFERRAL, b"Unable to find alias user!\n")
HOME_TROUBLE = Report(Outcome.DEFERRAL, b"NFS failure in qmail-local.\n")
LOOKUP_TROUBLE = Report(Outcome.DEFERRAL, b"Temporary failure in qmail-lspawn.\n")


class Account(NamedTuple):
    """One line of the password database, as far as mail needs it."""

    name: bytes
    uid: int
    gid: int
    home: bytes


def look_up(name: bytes) -> Account | None:
    """Find an account by its name; raises OSError when the database does not answer."""
    if not name or b"\0" in name:
        return None
    try:
        found = pwd.getpwnam(os.fsdecode(name))
    except KeyError:
        return None
    return Account(
        os.fsencode(found.pw_name), found.pw_uid, found.pw_gid, os.fsencode(found.pw_dir)
    )


def find_account(
    local: bytes, break_character: bytes, steps: list[Step], *, skips_closed: bool = False
) -> tuple[User | None, Report | None]:
    """Find the account that a local part means, trying shorter names at each break.

    An account counts when it is not root and owns its home directory, which must exist.

    Args:
        local: the local part.
        break_character: what parts user and extension.
        steps: gets the questions asked.
        skips_closed: pass over a home that we may not reach, as qmail-getpw does, which has no
            rights; else that is something we cannot tell.

    Returns:
        (user, None), (None, None) when there is none, (None, report) when it cannot be told.
    """
    for cut in cuts(local, break_character):
        try:
            account = look_up(cut.account)
        except OSError as error:
            steps.append(_step(cut.account, UNKNOWN, f"password database: {words_of(error)}"))
            return None, LOOKUP_TROUBLE
        if account is None:
            steps.append(_step(cut.account, NO, "password database (no such account)"))
            continue
        answer, source = _judge(account, skips_closed)
        steps.append(_step(cut.account, answer, source))
        if answer is YES:
            name, uid, gid, home = account
            return User(name, uid, gid, home, cut.dash, cut.ext), None
        if answer is UNKNOWN:
            return None, HOME_TROUBLE
    return None, None


def find_alias(
    local: bytes, alias_home: str, alias_ids: tuple[int, int] | None
) -> tuple[User | None, Step]:
    """Find the user who takes mail that is no user's.

    In this order: the ids that users/daemons gives the alias user, at ROOT/alias; the system's
    account `alias` (qmail-getpw); the owner of ROOT/alias.
    """
    home = os.fsencode(alias_home)
    if alias_ids is not None:
        user = User(ALIAS_NAME, *alias_ids, home, b"-", local)
        return user, Step("routing.alias", local, "alias", f"users/daemons, home {alias_home}")
    try:
        account = look_up(ALIAS_NAME)
    except OSError as error:
        source = f"password database: {words_of(error)}"
        return None, Step("routing.alias", local, UNKNOWN, source)
    if account is not None:
        user = User(account.name, account.uid, account.gid, account.home, b"-", local)
        source = f"password database, home {os.fsdecode(account.home)}"
        return user, Step("routing.alias", local, "alias", source)
    try:
        status = os.stat(alias_home)
    except OSError as error:
        source = f"no account alias; {alias_home}: {error_text(error).decode()}"
        return None, Step("routing.alias", local, NO, source)
    user = User(ALIAS_NAME, status.st_uid, status.st_gid, home, b"-", local)
    return user, Step("routing.alias", local, "alias", f"the owner of {alias_home}")


def _judge(account: Account, skips_closed: bool) -> tuple[str, str]:
    where = f"uid {account.uid}, home {os.fsdecode(account.home)}"
    if account.uid == 0:
        return NO, "uid 0: root takes no mail as an account"
    try:
        owner = os.stat(account.home).st_uid
    except OSError as error:
        is_closed = isinstance(error, PermissionError) and not skips_closed
        answer = UNKNOWN if is_temporary(error) or is_closed else NO
        return answer, f"{where}: {error_text(error).decode()}"
    except ValueError:  # a NUL in the database's home
        return NO, f"{where}: no usable path"
    if owner != account.uid:
        return NO, f"{where}, which belongs to uid {owner}"
    return YES, where


def _step(account: bytes, answer: str, source: str) -> Step:
    return Step("routing.account", account, answer, source)
