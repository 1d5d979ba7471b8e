"""predate PROGRAM ...: put a Date field in local time before a message, for PROGRAM (predate.c)."""

import os
import signal
import sys
import time

from glassmail.core.formats.date import rfc822
from glassmail.core.model.system_errors import error_text
from glassmail.stations.programs import find_program
from glassmail.store.letter import write_all

_USAGE = b"predate: usage: predate child\n"
_READ_BYTES = 65_536


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    if not words:
        write_all(2, _USAGE)
        return 100
    return run(words)


def run(words: list[bytes]) -> int:
    """Run a program with the field and descriptor 0 as its input; return its exit code."""
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    path = find_program(words[0], os.environb.get(b"PATH", b"/usr/bin:/bin"))
    try:
        if path is None:
            raise FileNotFoundError(2, os.strerror(2))
        pid = os.posix_spawn(
            path, words, os.environb,
            file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)], setsigdef=[signal.SIGPIPE],
        )  # fmt: skip
    except OSError as error:
        write_all(2, b"predate: fatal: unable to run %b: %b\n" % (words[0], error_text(error)))
        return 111
    os.close(reader)
    try:
        write_all(writer, b"Date: " + date_now() + b"\n")
        while data := os.read(0, _READ_BYTES):
            write_all(writer, data)
    except BrokenPipeError:
        pass  # the program has read what it wanted
    finally:
        os.close(writer)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status < 0:
        write_all(2, b"predate: fatal: child crashed\n")
        return 111
    return status


def date_now() -> bytes:
    """Write the local time, `20 Nov 2026 16:04:01 +0100`."""
    now = int(time.time())
    offset = time.localtime(now).tm_gmtoff
    sign = b"-" if offset < 0 else b"+"
    minutes = abs(offset) // 60
    zone = sign + b"%02d%02d" % divmod(minutes, 60)
    return rfc822(now + offset).rpartition(b" ")[0] + b" " + zone
