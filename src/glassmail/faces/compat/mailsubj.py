"""mailsubj SUBJECT ADDRESS ...: send descriptor 0 as a message with this subject (mailsubj.sh)."""

import os
import signal
import subprocess
import sys

from glassmail.faces.compat.own_path import beside
from glassmail.store.letter import write_all

_USAGE = b"mailsubj: usage: mailsubj subject recip ...\n"


def main(argv: list[str] | None = None) -> int:
    """Run the command; qmail-inject judges the message and sends it."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    if len(words) < 2:
        write_all(2, _USAGE)
        return 100
    subject, recipients = words[0], words[1:]
    head = b"Subject: %b\nTo: %b\n\n" % (subject.replace(b"\n", b"\n "), b", ".join(recipients))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with subprocess.Popen([beside(b"qmail-inject")], stdin=subprocess.PIPE) as inject:
        assert inject.stdin is not None
        try:
            inject.stdin.write(head)
            while data := os.read(0, 65_536):
                inject.stdin.write(data)
            inject.stdin.close()
        except BrokenPipeError:
            pass  # its exit code tells why it read no further
        return inject.wait()
