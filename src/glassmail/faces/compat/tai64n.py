"""tai64n: put a TAI64N label and a blank in front of each line of standard input (daemontools)."""

import os
import time
from collections.abc import Callable

from glassmail.core.formats.tai64n import label

_READ_BYTES = 65_536


def main(argv: list[str] | None = None) -> int:
    """Run the command; it takes no arguments."""
    del argv
    stamp = Stamper(time.time_ns)
    while data := os.read(0, _READ_BYTES):
        write_all(stamp.feed(data))
    return 0


class Stamper:
    """Labels each line with the time at which its first byte was read (tai64n.c)."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._is_line_begun = False

    def feed(self, data: bytes) -> bytes:
        """Return data with labels."""
        stamp = label(self._clock()) + b" "
        ends = data.endswith(b"\n")
        body = data[:-1] if ends else data
        head = b"" if self._is_line_begun else stamp
        self._is_line_begun = not ends
        return head + body.replace(b"\n", b"\n" + stamp) + (b"\n" if ends else b"")


def write_all(data: bytes) -> None:
    """Write to standard output, all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]
