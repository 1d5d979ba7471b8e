"""tcp-env [-rR] [-t SECONDS] PROGRAM ...: tell PROGRAM about the connection on descriptor 0.

Sets PROTO, TCPLOCALIP, TCPLOCALPORT, TCPLOCALHOST, TCPREMOTEIP, TCPREMOTEPORT, TCPREMOTEHOST and
TCPREMOTEINFO as tcp-env.1 says, for inetd and its like; a name or answer that is not known leaves
its variable unset. -r (the default) asks the client's RFC 1413 server who connects, -R does not,
-t limits that (30 seconds).
"""

import os
import socket
import sys

from glassmail.core.model.system_errors import error_text
from glassmail.faces.compat.options import OptionError, Options
from glassmail.stations.programs import find_program
from glassmail.store.letter import write_all

_USAGE = b"tcp-env: usage: tcp-env [ -rR ] [ -ttimeout ] program [ arg ... ]\n"
_IDENT_PORT = 113
_TIMEOUT_S = 30
_INFO_BYTES_MAX = 1_000
_VARIABLES = (
    "TCPLOCALIP", "TCPLOCALPORT", "TCPLOCALHOST",
    "TCPREMOTEIP", "TCPREMOTEPORT", "TCPREMOTEHOST", "TCPREMOTEINFO",
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run the command; it becomes the program."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    is_asking, timeout_s = True, _TIMEOUT_S
    options = Options(words, b"rRt:")
    try:
        for letter, argument in options:
            if letter == b"t":
                digits = argument[: len(argument) - len(argument.lstrip(b"0123456789"))]
                timeout_s = int(digits[:9] or b"0")
            else:
                is_asking = letter == b"r"
    except OptionError:
        write_all(2, _USAGE)
        return 100
    if not options.rest:
        write_all(2, _USAGE)
        return 100
    for name in _VARIABLES:
        os.environ.pop(name, None)
    os.environ["PROTO"] = "TCP"
    _describe(timeout_s if is_asking else 0)
    path = find_program(options.rest[0], os.environb.get(b"PATH", b"/usr/bin:/bin"))
    try:
        if path is None:
            raise FileNotFoundError(2, os.strerror(2))
        os.execve(path, options.rest, os.environb)  # noqa: S606 (as asked)
    except OSError as error:
        text = (options.rest[0], error_text(error))
        write_all(2, b"tcp-env: fatal: unable to run %b: %b\n" % text)
        return 111


def _describe(timeout_s: int) -> None:
    try:
        with socket.socket(fileno=os.dup(0)) as sock:
            local, remote = sock.getsockname(), sock.getpeername()
    except OSError:
        return  # no connection: nothing is known of it
    if not (isinstance(local, tuple) and isinstance(remote, tuple)):
        return
    for side, address in (("LOCAL", local), ("REMOTE", remote)):
        os.environ[f"TCP{side}IP"] = address[0].removeprefix("::ffff:")
        os.environ[f"TCP{side}PORT"] = str(address[1])
        name = _name_of(address)
        if name:
            os.environ[f"TCP{side}HOST"] = name
    info = _remote_info(local, remote, timeout_s) if timeout_s else b""
    if info:
        os.environb[b"TCPREMOTEINFO"] = info


def _name_of(address: tuple[str, int]) -> str:
    try:
        return socket.getnameinfo(address, socket.NI_NAMEREQD | socket.NI_NUMERICSERV)[0].lower()
    except OSError:
        return ""


def _remote_info(local: tuple[str, int], remote: tuple[str, int], timeout_s: int) -> bytes:
    """Ask the client's ident server (RFC 1413) who opened the connection."""
    data = b""
    try:
        with socket.create_connection(
            (remote[0], _IDENT_PORT), timeout_s, source_address=(local[0], 0)
        ) as sock:
            sock.sendall(b"%d , %d\r\n" % (remote[1], local[1]))
            while b"\n" not in data and len(data) < _INFO_BYTES_MAX:
                piece = sock.recv(_INFO_BYTES_MAX)
                if not piece:
                    break
                data += piece
    except OSError:
        return b""
    parts = data.split(b"\n")[0].rstrip(b"\r").split(b":", 3)
    if len(parts) < 4 or parts[1].strip().upper() != b"USERID":
        return b""
    return bytes(byte for byte in parts[3].lstrip(b" ") if byte >= 32 and byte != 127)
