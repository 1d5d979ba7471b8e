"""fixcrio PROGRAM ...: put a CR before each LF that lacks one, to PROGRAM and from it."""

import os
import sys

from glassmail.faces.compat import copying
from glassmail.faces.compat.copying import Change


def main(argv: list[str] | None = None) -> int:
    """Run the command; it becomes the program."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    return copying.run(b"fixcrio", words, lambda _pid: (_fix(), _fix()))


def _fix() -> Change:
    last = b""

    def fix(data: bytes) -> bytes:
        nonlocal last
        fixed = (last + data).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if last:  # a CR that was passed on already stands in front
            fixed = fixed[1:]
        last = b"\r" if data.endswith(b"\r") else b""
        return fixed

    return fix
