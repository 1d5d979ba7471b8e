"""qmail-smtpd: one SMTP session on descriptors 0 and 1, for tcpserver and xinetd.

The environment is the client's rule when TCPREMOTEIP stands in it. Arguments are ignored: who may
log in is control/smtpauth's matter.
"""

import os
import sys

from glassmail.daemons import smtpd_alone
from glassmail.settings.place import Place, find_root


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    exit_code = smtpd_alone.run(Place(find_root(None)), dict(os.environb))
    if argv is None:
        sys.stderr.flush()
        os._exit(exit_code)  # the thread that reads may still wait for a client that is gone
    return exit_code
