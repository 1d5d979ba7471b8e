"""vpopmaild [ADDRESS:PORT]: accounts for programs, a line a command (vpopmaild.c).

Without an argument it speaks on descriptors 0 and 1, below tcpserver, inetd or systemd. With one
it listens by itself, on a loopback address only. `glass serve` does that by a line of
control/listen.
"""

import os
import socket
import sys

from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.core.formats import listen
from glassmail.core.formats.listen import ListenError
from glassmail.faces.compat.vpopmaild_service import Service, converse
from glassmail.settings.place import Place, find_root

_BACKLOG = 50
USAGE = "vpopmaild: usage: vpopmaild [ADDRESS:PORT], a loopback address\n"


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    words = sys.argv[1:] if argv is None else argv[1:]
    os.umask(0o077)
    if len(words) > 1 or (words and words[0].startswith("-")):
        sys.stderr.write(USAGE)
        return 100
    place = Place(find_root(None))
    try:
        if not words:
            return converse(Site.at(place), 0, 1)
        listener = _listener(words[0])
    except (AccountError, OSError, ListenError) as error:
        sys.stderr.write(f"vpopmaild: {error}\n")
        return 111
    with listener:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        Service(place, [listener]).run()
    return 0


def _listener(text: str) -> socket.socket:
    """Listen where control/listen may let it; raises ListenError, OSError."""
    found = listen.parse(os.fsencode(f"{listen.ACCOUNTS} {text}"), text)
    if len(found) != 1:
        raise ListenError(f"{text}: write an address and a port, such as 127.0.0.1:89")
    place = found[0].address, found[0].port
    family = socket.AF_INET6 if ":" in found[0].address else socket.AF_INET
    return socket.create_server(place, family=family, backlog=_BACKLOG)
