"""Where the commands of this program lie, for those that start another one."""

import os
import sys


def beside(name: bytes) -> bytes:
    """Return the path of a command installed beside the interpreter, else its bare name."""
    path = os.path.join(os.path.dirname(os.fsencode(sys.executable)), name)
    return path if os.access(path, os.X_OK) else name
