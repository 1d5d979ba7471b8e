"""datemail: sendmail with a Date field in local time put before the message (datemail.sh)."""

import os
import sys

from glassmail.faces.compat import predate
from glassmail.faces.compat.own_path import beside


def main(argv: list[str] | None = None) -> int:
    """Run the command; all arguments are sendmail's."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    return predate.run([beside(b"sendmail"), *words])
