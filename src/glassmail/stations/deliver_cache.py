"""What deliveries need not ask anew of the files of a user.

`Glance`: deliveries that came together ask each file once; between them no time has passed that
anybody could tell from a delivery that came a moment earlier.

`DotQmailCache` remembers the dot-qmail file of a user for a moment, as long as home and file are
unchanged. A delivery asks for two `stat`s instead of opening and parsing what the delivery before
it read. The change time of the home covers files that appear or go; nothing is believed longer
than KEPT_S, and only plain successes are remembered.
"""

import os
import time

from glassmail.core.route.dot_qmail import candidates
from glassmail.core.route.users import User
from glassmail.stations.accounts import VDelivery, vdelivermail_line
from glassmail.stations.resolve import DotQmailFound, find_dot_qmail
from glassmail.store.maildir import Folders

KEPT_S = 1.0
ENTRIES_MAX = 1_024

_Stamp = tuple[int, int, int, int]


class DotQmailCache:
    """What find_dot_qmail said lately, by user and default delivery."""

    def __init__(self) -> None:
        self._entries: dict[tuple[User, bytes], tuple[float, _Stamp, _Stamp, DotQmailFound]] = {}

    def find(self, user: User, default_delivery: bytes, looping: bool) -> DotQmailFound:
        """Find the instructions, as stations.resolve.find_dot_qmail does."""
        key = (user, default_delivery)
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is not None and not looping and now < entry[0]:
            home = _stamp(user.home + b"/.")
            is_default = entry[2] == (0, 0, 0, 0)
            if home == entry[1] and (is_default or _file_stamp(user, entry[3]) == entry[2]):
                return entry[3]
        if entry is not None:
            del self._entries[key]
        # The stamps are taken before the look: a change in between is seen the next time.
        home = _stamp(user.home + b"/.")
        found = find_dot_qmail(user, False, default_delivery, is_looping=looping)
        # An extension with a slash may name a file in a directory that home's stamp says
        # nothing about.
        if home is not None and found.report is None and b"/" not in user.ext:
            stamp = _file_stamp(user, found)
            if stamp is not None:
                if len(self._entries) >= ENTRIES_MAX:
                    self._entries.clear()
                self._entries[key] = (now + KEPT_S, home, stamp, found)
        return found


class Glance:
    """What the files of users said in one look; as a context, one look for all that ask in it."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._cache = DotQmailCache()
        self._is_held = False
        self._found: dict[tuple[User, bytes], DotQmailFound] = {}
        self._decided: dict[tuple[bytes, ...], VDelivery | None] = {}

    def __enter__(self) -> None:
        self._is_held = True
        self._folders.begin_glance()

    def __exit__(self, *_error: object) -> None:
        self._is_held = False
        self._folders.end_glance()
        self._found.clear()
        self._decided.clear()

    def find(self, user: User, default_delivery: bytes, looping: bool) -> DotQmailFound:
        """Find the instructions, as stations.resolve.find_dot_qmail does."""
        if looping or not self._is_held:
            return self._cache.find(user, default_delivery, looping)
        key = (user, default_delivery)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._cache.find(user, default_delivery, looping)
        return found

    def decide(
        self, command: bytes, home: bytes, ext: bytes, host: bytes, break_character: bytes
    ) -> VDelivery | None:
        """Decide on a program line, as stations.accounts.vdelivermail_line does."""
        if not self._is_held:
            return vdelivermail_line(command, home, ext, host, break_character)
        key = (command, home, ext, host, break_character)
        if key not in self._decided:
            self._decided[key] = vdelivermail_line(*key)
        return self._decided[key]


def _file_stamp(user: User, found: DotQmailFound) -> _Stamp | None:
    if not found.name.startswith(b".qmail"):
        # Default delivery. That there is no file is what home's stamp says; an empty file's
        # content is not, so that case is not remembered.
        paths = [user.home + b"/" + each.name for each in candidates(user.dash, user.ext)]
        return None if any(map(os.path.lexists, paths)) else (0, 0, 0, 0)
    return _stamp(user.home + b"/" + found.name)


def _stamp(path: bytes) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ctime_ns, status.st_mode, status.st_ino, status.st_size
