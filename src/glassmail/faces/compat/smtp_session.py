"""`sendmail -bs`: an SMTP session on standard input and output.

qmail's sendmail starts qmail-smtpd for this. Here the session is one with the running server, over
its first listener for smtp; its rules for clients see the address of this host.
"""

import os
import select
import socket

from glassmail.core.formats import listen
from glassmail.core.formats.listen import Listener, ListenError
from glassmail.settings.place import Place
from glassmail.store.letter import write_all

CONNECT_S = 30.0
_BYTES = 65_536
# What connects to a socket that listens everywhere.
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (read, not listened on)


def run(place: Place) -> int:
    """Carry bytes both ways until the server hangs up; return the exit code."""
    try:
        with open(os.path.join(place.control, "listen"), "rb") as file:
            listeners = listen.parse(file.read())
    except (OSError, ListenError) as error:
        return _fatal(str(error))
    found = next((one for one in listeners if one.service == "smtp"), None)
    if found is None:
        return _fatal("control/listen names no place for smtp")
    try:
        server = _connect(found)
    except OSError as error:
        reason = error.strerror or "timed out"
        return _fatal(f"no server answers at {found.address} port {found.port}: {reason}")
    with server:
        _carry(server)
    return 0


def _connect(found: Listener) -> socket.socket:
    address = _HERE.get(found.address, found.address)
    server = socket.create_connection((address, found.port), CONNECT_S)
    server.settimeout(None)  # the server's own limits end the session
    return server


def _carry(server: socket.socket) -> None:
    sources: list[int] = [0, server.fileno()]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if server.fileno() in ready:
            try:
                data = server.recv(_BYTES)
            except ConnectionError:
                return
            if not data:
                return
            write_all(1, data)
        if 0 in ready:
            data = os.read(0, _BYTES)
            try:
                if data:
                    server.sendall(data)
                else:
                    sources.remove(0)
                    server.shutdown(socket.SHUT_WR)
            except OSError:
                sources = [server.fileno()]  # it hung up; what it said last is still to come


def _fatal(text: str) -> int:
    write_all(2, f"sendmail: fatal: {text}\n".encode())
    return 111
