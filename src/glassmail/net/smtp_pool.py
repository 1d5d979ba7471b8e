"""Connections to other SMTP servers: opening, keeping idle ones for a moment, deadlines.

Always:
    - At most IDLE_MAX connections wait, each for IDLE_S; a connection carries at most
      MESSAGES_PER_CONNECTION messages.
    - One timer looks at all deadlines, and runs only while there are connections.
"""

import asyncio
import errno

from glassmail.core.model.system_errors import words_of
from glassmail.core.protocol.smtp_client import SmtpClient
from glassmail.net.smtp_connection import SmtpConnection

IDLE_S = 2.0
IDLE_MAX = 64
MESSAGES_PER_CONNECTION = 100
LOOK_S = 0.5  # how often deadlines are looked at

Key = tuple[str, int, bytes]  # address, port, the name we gave

_NO_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)


class ConnectError(Exception):
    """No connection; timed_out is what tcpto wants to know, no_resources is our own fault."""

    def __init__(self, reason: str, *, timed_out: bool = False, no_resources: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out
        self.no_resources = no_resources


class SmtpPool:
    """All connections of one process."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Key, list[SmtpConnection]] = {}
        self._idle_count = 0
        self._keys: dict[SmtpConnection, Key] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    def __len__(self) -> int:
        """Return how many connections are open, idle ones included."""
        return len(self._keys)

    @property
    def idle_count(self) -> int:
        """Return how many connections wait for another message."""
        return self._idle_count

    def take(self, key: Key, timeout_s: float) -> SmtpConnection | None:
        """Return an idle connection that is still quiet and open, or None."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            self._idle_count -= 1
            if connection.is_open and connection.is_quiet():
                connection.timeout_s = timeout_s
                return connection
            connection.abort()
        return None

    async def connect(self, key: Key, connect_timeout_s: float, timeout_s: float) -> SmtpConnection:
        """Open a connection; raises ConnectError."""
        ip, port, helo = key
        client = SmtpClient(ip.encode("ascii"), helo)
        try:
            async with asyncio.timeout(connect_timeout_s):
                _transport, connection = await self._loop.create_connection(
                    lambda: SmtpConnection(client, timeout_s, self._ended), ip, port
                )
        except TimeoutError:  # ours, or the kernel's ETIMEDOUT
            raise ConnectError(
                f"no answer within {connect_timeout_s:g} s", timed_out=True
            ) from None
        except OSError as error:
            lacking = error.errno in _NO_RESOURCES
            raise ConnectError(words_of(error), no_resources=lacking) from error
        if connection.is_connected:  # it may have ended in the very turn in which it began
            self._keys[connection] = key
            self._watch()
        return connection

    def give_back(self, connection: SmtpConnection) -> None:
        """Keep a connection for the next message, or close it."""
        key = self._keys.get(connection)
        if key is None or not connection.is_open:
            connection.abort()
        elif (
            self._is_closed
            or self._idle_count >= IDLE_MAX
            or connection.client.transactions >= MESSAGES_PER_CONNECTION
        ):
            connection.quit()
        else:
            connection.idle_until = self._loop.time() + IDLE_S
            self._idle.setdefault(key, []).append(connection)
            self._idle_count += 1

    def look(self, now: float) -> None:
        """Close what was idle for long enough and give up what was silent for too long."""
        for key, idle in list(self._idle.items()):
            old = [connection for connection in idle if now >= connection.idle_until]
            for connection in old:
                idle.remove(connection)
                self._idle_count -= 1
                connection.quit()
            if not idle:
                del self._idle[key]
        for connection in list(self._keys):
            connection.check_deadline(now)

    def close_idle(self) -> None:
        """Say goodbye on every idle connection, and keep no more from now on."""
        self._is_closed = True
        for idle in self._idle.values():
            for connection in idle:
                connection.quit()
        self._idle.clear()
        self._idle_count = 0

    def close(self) -> None:
        """Cut every connection."""
        self.close_idle()
        for connection in list(self._keys):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ended(self, connection: SmtpConnection) -> None:
        key = self._keys.pop(connection, None)
        if key is None:
            return
        idle = self._idle.get(key)
        if idle and connection in idle:
            idle.remove(connection)
            self._idle_count -= 1

    def _watch(self) -> None:
        if self._timer is None and self._keys:
            self._timer = self._loop.call_later(LOOK_S, self._watched)

    def _watched(self) -> None:
        self._timer = None
        self.look(self._loop.time())
        self._watch()
