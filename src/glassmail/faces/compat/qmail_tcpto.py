"""qmail-tcpto: print the addresses whose connections timed out of late (qmail-tcpto.8)."""

import os
import sys
import time

from glassmail.core.model.system_errors import error_text
from glassmail.faces.compat.missing_root import tell_person
from glassmail.settings.place import Place, find_root
from glassmail.store.tcpto import TableError, TcpTimeouts


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    place = Place(find_root(None))
    directory = place.queue_lock
    try:
        if not os.path.isdir(directory):
            os.stat(directory)  # tells why
            raise NotADirectoryError(20, "not a directory")
        entries = TcpTimeouts(directory).entries()
    except TableError as failure:
        return _fail(failure.doing + " tcpto", failure.error)
    except OSError as error:
        tell_person("qmail-tcpto", place.root)
        return _fail("chdir", error)
    now = time.time_ns() // 1_000_000_000
    for ip, last, count in entries:
        print(f"{ip} timed out {now - last} seconds ago; # recent timeouts: {count}")
    return 0


def _fail(doing: str, error: OSError) -> int:
    # qmail-tcpto.c warn(): on standard output.
    sys.stdout.write(f"fatal: unable to {doing}: {error_text(error).decode('ascii')}\n")
    return 111
