"""maildirmake: make a Maildir (maildirmake.1)."""

import os
import sys

from glassmail.core.model.system_errors import error_text
from glassmail.store.letter import write_all

_USAGE = b"maildirmake: usage: maildirmake name\n"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    words = sys.argv[1:] if argv is None else argv
    if not words:
        write_all(2, _USAGE)
        return 100
    os.umask(0o077)
    name = os.fsencode(words[0])
    for part in (b"", b"/tmp", b"/new", b"/cur"):
        try:
            os.mkdir(name + part, 0o700)
        except OSError as error:
            reason = error_text(error)
            write_all(
                2, b"maildirmake: fatal: unable to mkdir " + name + part + b": " + reason + b"\n"
            )
            return 111
    return 0
