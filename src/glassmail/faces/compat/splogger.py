"""splogger [ tag [ facility ] ]: hand the lines of standard input to syslog (splogger.c)."""

import os
import socket
import sys
import time
from collections.abc import Callable

from glassmail.core.formats.log_outlets import FACILITY_MAIL, SYSLOG_SOCKET
from glassmail.events.syslog_lines import CHUNK, datagrams

_READ_BYTES = 65_536
_LINE_BYTES_MAX = 100 * CHUNK  # a line without end goes out in parts


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    tag = words[0] if words else b"splogger"
    facility = FACILITY_MAIL
    if len(words) > 1:
        digits = words[1][: len(words[1]) - len(words[1].lstrip(b"0123456789"))]
        facility = int(digits or b"0")  # scan_ulong: no digits are 0
    receiver = Receiver(SYSLOG_SOCKET)
    logger = Logger(tag, facility, receiver.send, time.time_ns)
    while data := os.read(0, _READ_BYTES):
        logger.feed(data)
    logger.end()
    receiver.close()
    return 0


class Logger:
    """Cuts the input into lines and sends each."""

    def __init__(
        self, tag: bytes, facility: int, send: Callable[[bytes], None], clock: Callable[[], int]
    ) -> None:
        self._tag = tag
        self._facility = facility
        self._send = send
        self._clock = clock
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *whole, self._held = (self._held + data).split(b"\n")
        for line in whole:
            self._line(line)
        if len(self._held) > _LINE_BYTES_MAX:
            self.end()

    def end(self) -> None:
        """Send what came without a newline."""
        held, self._held = self._held, b""
        self._line(held)

    def _line(self, line: bytes) -> None:
        for datagram in datagrams(line, self._clock(), self._tag, self._facility):
            self._send(datagram)


class Receiver:
    """The syslog daemon."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._socket: socket.socket | None = None

    def send(self, datagram: bytes) -> None:
        """Send; syslog(3) tells nobody when nobody listens, and tries once more."""
        for _attempt in range(2):
            try:
                if self._socket is None:
                    self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._socket.connect(self._path)
                self._socket.send(datagram)
            except OSError:
                self.close()  # a new syslog daemon has a new socket
            else:
                return

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
