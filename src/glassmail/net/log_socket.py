"""Log lines to a datagram socket of the machine: syslog's /dev/log, the journal's.

Always:
    - Nothing waits: what the socket does not take at once is lost, counted, and told.
    - A receiver that is restarted is found again, at most once a second.
"""

import os
import socket
import time
from collections.abc import Callable

from glassmail.core.model.system_errors import words_of

RETRY_S = 1.0
SEND_BYTES = 1_048_576  # room asked of the kernel for a burst


class LogSocket:
    """One receiver."""

    def __init__(
        self, path: bytes, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Make it.

        Args:
            path: the receiver's Unix socket.
            tell: told of each new trouble, and of its end.
            clock: seconds, for tests.
        """
        self.lost = 0
        self._path = path
        self._tell = tell
        self._clock = clock
        self._socket: socket.socket | None = None
        self._tried_at = -RETRY_S
        self._is_troubled = False

    def send(self, datagram: bytes) -> None:
        """Send, or count as lost."""
        if self._socket is None and not self._connect():
            self.lost += 1
            return
        assert self._socket is not None
        try:
            self._socket.send(datagram)
        except OSError as error:
            self.lost += 1
            self._trouble(error)
            if not isinstance(error, BlockingIOError):
                self.close()
            return
        if self._is_troubled:
            self._recovered()

    def close(self) -> None:
        """Close the socket; a later send opens it anew."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> bool:
        now = self._clock()
        if now - self._tried_at < RETRY_S:
            return False
        self._tried_at = now
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
            made.connect(self._path)
        except OSError as error:
            made.close()
            self._trouble(error)
            return False
        self._socket = made
        return True

    def _trouble(self, error: OSError) -> None:
        if not self._is_troubled:
            self._is_troubled = True
            self._tell(f"{os.fsdecode(self._path)}: {words_of(error)}: log lines are lost there")

    def _recovered(self) -> None:
        lost, self.lost, self._is_troubled = self.lost, 0, False
        self._tell(f"{os.fsdecode(self._path)} takes log lines again; {lost} were lost")
