"""tai64nlocal: turn the TAI64N label at the start of a line into local time (daemontools).

Lines without a label pass as they are.
"""

import os
import time

from glassmail.core.formats.tai64n import LABEL_LENGTH, parse
from glassmail.faces.compat.tai64n import write_all

_READ_BYTES = 65_536


def main(argv: list[str] | None = None) -> int:
    """Run the command; it takes no arguments."""
    del argv
    reader = Localizer()
    while data := os.read(0, _READ_BYTES):
        write_all(reader.feed(data))
    write_all(reader.end())
    return 0


class Localizer:
    """Holds back the start of a line while it may still become a label."""

    def __init__(self) -> None:
        self._held = b""
        self._is_line_begun = False

    def feed(self, data: bytes) -> bytes:
        """Return what is ready to be written."""
        lines = (self._held + data).split(b"\n")
        self._held = b""
        ready = []
        for line in lines[:-1]:
            ready.append((line if self._is_line_begun else localize(line)) + b"\n")
            self._is_line_begun = False
        last = lines[-1]
        if not self._is_line_begun and len(last) < LABEL_LENGTH:
            self._held = last
        else:
            ready.append(last if self._is_line_begun else localize(last))
            self._is_line_begun = True
        return b"".join(ready)

    def end(self) -> bytes:
        """Return what was held back at the end of input."""
        held, self._held = self._held, b""
        return held


def localize(line: bytes) -> bytes:
    """Replace a label by `YYYY-MM-DD HH:MM:SS.nnnnnnnnn`."""
    found = parse(line)
    if found is None:
        return line
    at, rest = found
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    try:
        moment = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):  # beyond the calendar
        return line
    return b"%b.%09d%b" % (time.strftime("%Y-%m-%d %H:%M:%S", moment).encode(), nanoseconds, rest)
