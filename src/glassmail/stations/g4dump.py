"""control/g4dump: what a recipient check is told, variable by variable, in the log.

The rules interface dumps its environment while that file exists, the database's password with it.
Here the file's name and the lines are the same; secrets are hidden, and it ends by itself: a file
older than TEN_MINUTES_S counts as gone.
"""

import os
import time
from collections.abc import Mapping

from glassmail.core.model.redaction import HIDDEN, is_secret_name, redact, secret_values
from glassmail.settings.place import Place

NAME = "g4dump"
TEN_MINUTES_S = 600.0


def is_dumping(place: Place, now: float | None = None) -> bool:
    """Tell whether the file is there and fresh."""
    try:
        made = os.stat(os.path.join(place.control, NAME)).st_mtime
    except OSError:
        return False  # not there, which is the rule; or closed, which is no order
    return (time.time() if now is None else now) - made < TEN_MINUTES_S


def dump(environment: Mapping[bytes, bytes]) -> bytes:
    """Write the lines: `rcptcheck[PID][PID]: DUMP: NAME="value"`, sorted by name."""
    front = b"rcptcheck[%d][%d]: " % (os.getpid(), os.getpid())
    secrets = secret_values(environment)
    return b"".join(
        b'%bDUMP: %b="%b"\n'
        % (front, name, HIDDEN if is_secret_name(name) else redact(value, secrets))
        for name, value in sorted(environment.items())
    )
