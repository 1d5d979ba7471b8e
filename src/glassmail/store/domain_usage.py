"""How much all mailboxes of a virtual domain hold, for its quota (vpopmail's readdomainquota).

The sum is taken from the maildirsize of each mailbox, or by a count where there is none, and
remembered for COUNTED_S; what is delivered meanwhile is added. Other processes' deliveries and
removals are seen at the next sum.
"""

import os
import time
from collections.abc import Iterator

from glassmail.core.formats import domain_limits
from glassmail.core.formats.domain_limits import Limits, LimitsError
from glassmail.store.maildir_quota import held_in

COUNTED_S = 900.0
LOOK_AGAIN_S = 1.0
DOMAINS_MAX = 1_024
LIMITS_BYTES_MAX = 65_536
_MEGABYTE = 1 << 20
_NONE = Limits()

_known: dict[bytes, tuple[tuple[int, int], float]] = {}  # of this process: limits, look again at
_sums: dict[bytes, tuple[int, int, float]] = {}  # bytes, messages, when they were summed


def limits_of(home: bytes) -> tuple[int, int]:
    """Return what a domain may hold, bytes and messages; 0: no limit. Looked at once a second.

    A file that cannot be read limits nothing: the administrator's commands tell about it.
    """
    now = time.monotonic()
    known = _known.get(home)
    if known is not None and now < known[1]:
        return known[0]
    found = _read(os.path.join(home, os.fsencode(domain_limits.FILE_NAME)))
    if found is None:  # vpopmail's home holds `domains` and `etc`
        above = os.path.dirname(os.path.dirname(home.rstrip(b"/")))
        found = _read(os.path.join(above, b"etc", b"vlimits.default")) or _NONE
    limits = found.quota * _MEGABYTE, found.maxmsgcount
    if len(_known) >= DOMAINS_MAX:
        _known.clear()
    _known[home] = limits, now + LOOK_AGAIN_S
    return limits


def has_room(home: bytes, most: tuple[int, int], size: int) -> bool:
    """Tell whether a domain may hold one more message of this size; raises OSError."""
    now = time.monotonic()
    known = _sums.get(home)
    if known is None or now - known[2] >= COUNTED_S:
        whole = [held_in(maildir) for maildir in _maildirs(home)]
        sums = sum(each[0] for each in whole), sum(each[1] for each in whole)
        if len(_sums) >= DOMAINS_MAX:
            _sums.clear()
        known = _sums[home] = (*sums, now)
    is_large = bool(most[0]) and known[0] + size > most[0]
    return not is_large and (not most[1] or known[1] < most[1])


def add(home: bytes, size: int) -> None:
    """Note one more message."""
    known = _sums.get(home)
    if known is not None:
        _sums[home] = known[0] + size, known[1] + 1, known[2]


def _maildirs(home: bytes) -> Iterator[bytes]:
    """Find the directories with a Maildir, also below 0/, a/ (vpopmail's dir_control)."""
    todo = [(home, 2)]
    while todo:
        directory, depth = todo.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.name.startswith(b".") or not entry.is_dir(follow_symlinks=False):
                    continue
                path = os.path.join(directory, entry.name)
                if os.path.isdir(path + b"/Maildir"):
                    yield path + b"/Maildir/"
                elif len(entry.name) == 1 and depth:
                    todo.append((path, depth - 1))


def _read(path: bytes) -> Limits | None:
    """Read a file of limits; None when there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return _NONE
    try:
        return domain_limits.parse(os.read(descriptor, LIMITS_BYTES_MAX))
    except (OSError, LimitsError):
        return _NONE
    finally:
        os.close(descriptor)
