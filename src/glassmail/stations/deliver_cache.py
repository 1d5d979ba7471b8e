"""Remember the dot-qmail file of a user for a moment, as long as home and file are unchanged.

A delivery asks for two `stat`s instead of opening and parsing what the delivery before it read.
The change time of the home covers files that appear or go; nothing is believed longer than
KEPT_S, and only plain successes are remembered.
"""

import os
import time

from glassmail.core.route.dot_qmail import candidates
from glassmail.core.route.users import User
from glassmail.stations.resolve import DotQmailFound, find_dot_qmail

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
