"""Old trees of a bench: moved aside while it runs, removed when it ends.

Why: ext4 does not give a number again for a while that a removed file had, and looks past each
such number whenever a file is made (`recently_deleted`). A server that starts on the remains of
20,000 removed files pays 100 us of kernel time for each new one, whichever server it is.
"""

import atexit
import contextlib
import os
import shutil

from peers import CACHE

_KEPT = os.path.join(CACHE, "bench", f"aside-{os.getpid()}")


def put(path: str) -> None:
    """Take a tree out of the way; one on another filesystem is removed at once."""
    if not os.path.lexists(path):
        return
    os.makedirs(_KEPT, mode=0o700, exist_ok=True)
    try:
        os.rename(path, os.path.join(_KEPT, f"{len(os.listdir(_KEPT))}"))
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


@atexit.register
def sweep() -> None:
    """Remove what was moved aside."""
    with contextlib.suppress(OSError):
        shutil.rmtree(_KEPT)
