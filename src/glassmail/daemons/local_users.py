"""Whose mail a local part is, for the starter: looked up by it alone, remembered for a moment."""

import os
import time
from collections.abc import Callable
from dataclasses import replace

from glassmail.core.formats.assign import AssignError
from glassmail.core.formats.cdb import CdbError
from glassmail.core.model.trail import NO, Step
from glassmail.core.route.users import User
from glassmail.daemons.local_limits import USERS_KEPT_MAX, USERS_KEPT_S
from glassmail.settings.place import Place
from glassmail.stations import assign_build
from glassmail.stations.resolve import NOT_AS_ROOT, UserFound, UserSources, find_user, sources_of
from glassmail.store.edit import EditError


class Users:
    """The users that mail is for."""

    def __init__(
        self, place: Place, may_change: bool, tell: Callable[[str], None] | None = None
    ) -> None:
        """Look nobody up yet; raises OSError or DaemonsError for a bad users/daemons.

        Args:
            place: the site.
            may_change: whether deliveries can run as other users (root, and not one-user mode).
            tell: is told, once for each change of users/assign, that it does not count yet.
        """
        self._tell = tell or (lambda _text: None)
        self._rebuilds = False
        self._told_of = 0
        self._place = place
        self._may_change = may_change
        self._uid = os.getuid()
        self._gid = os.getgid()
        self._break_character = b"-"
        self._sources = self._make_sources()
        self._kept: dict[bytes, tuple[float, UserFound]] = {}

    def find(self, local: bytes) -> UserFound:
        """Find the user that a delivery runs as, or the report that settles it now."""
        now = time.monotonic()
        kept = self._kept.get(local)
        if kept is not None and now < kept[0]:
            return kept[1]
        found = find_user(local, self._sources)
        if any(step.question == "routing.assign_built" for step in found.steps):
            found = self._mind_assign(local, found)
        user = found.user
        if user is not None and (user.uid == 0 if self._may_change else user.uid != self._uid):
            # find_user has said so already; this is the last door before a process of that user.
            step = Step("delivery.worker", user.name, NO, f"uid {user.uid}")
            found = UserFound(None, NOT_AS_ROOT, (*found.steps, step))
        if len(self._kept) >= USERS_KEPT_MAX:
            self._kept.clear()
        self._kept[local] = (now + USERS_KEPT_S, found)
        return found

    def rights_of(self, user: User) -> tuple[int, int]:
        """Return uid and gid of the worker that delivers for this user."""
        return (user.uid, user.gid) if self._may_change else (self._uid, self._gid)

    def set_break_character(self, break_character: bytes) -> None:
        """Obey a changed control/breakcharacter."""
        if break_character[:1] != self._break_character:
            self._break_character = break_character[:1]
            self._sources = self._make_sources()
            self.forget()

    def set_rebuild(self, rebuilds: bool) -> None:
        """Obey a changed control/assignrebuild."""
        self._rebuilds = rebuilds

    def _mind_assign(self, local: bytes, found: UserFound) -> UserFound:
        """Tell of a users/assign that is newer than users/cdb; by setting, build the cdb first."""
        try:
            changed_ns = os.stat(self._place.assign).st_mtime_ns
            if changed_ns == self._told_of:
                return found
            self._told_of = changed_ns
            if not self._rebuilds:
                self._tell("users/assign is newer than users/cdb and does not count: qmail-newu")
                return found
            count = assign_build.build(self._place)
        except (AssignError, CdbError, EditError, OSError) as error:
            self._tell(f"users/cdb cannot be made from users/assign, the old one stays: {error}")
            return found
        self._tell(f"users/cdb was made from users/assign, {count} lines")
        self._kept.clear()
        return find_user(local, self._sources)

    def forget(self) -> None:
        """Look everybody up anew."""
        self._kept.clear()

    def _make_sources(self) -> UserSources:
        # What this process can do decides, not what users/daemons says.
        sources = sources_of(self._place, self._break_character)
        return replace(sources, only_uid=None if self._may_change else self._uid)
