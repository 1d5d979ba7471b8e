"""A listening socket of the event loop, and how a frame that came through it becomes a message.

The four daemons with a socket of their own (queue, log, keeper, gate) take connections and read
messages in the same way; what they answer is theirs.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from glassmail.net.limits import ACCEPT_REST_S, BACKLOG

M = TypeVar("M")


class Closable(Protocol):
    """What ends a connection with a reason: a Channel, or what owns one."""

    def close(self, reason: str) -> None:
        """Hang up."""


class Doorway:
    """Hands each connection that comes in to `welcome`, until it is closed."""

    def __init__(
        self,
        sock: socket.socket,
        welcome: Callable[[socket.socket], None],
        warn: Callable[[str], None],
    ) -> None:
        """Begin to take connections.

        Args:
            sock: listening; closed by `close`.
            welcome: takes a connection and owns it.
            warn: is told why none could be taken.
        """
        sock.setblocking(False)
        self._sock = sock
        self._welcome = welcome
        self._warn = warn
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._attend()

    def close(self) -> None:
        """Take no more connections."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _attend(self) -> None:
        if self._is_open:
            self._loop.add_reader(self._sock.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            if not self._is_open:  # a connection brought the order to end
                return
            try:
                sock, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._warn(f"cannot take a connection: {error.strerror}: it waits")
                self._rest()
                return
            self._welcome(sock)

    def _rest(self) -> None:
        """Accept nothing for a moment: the trouble (no descriptors left) would only repeat."""
        self._loop.remove_reader(self._sock.fileno())
        self._loop.call_later(ACCEPT_REST_S, self._attend)


def read_message(
    decoder: "msgspec.msgpack.Decoder[M]",
    payload: bytes,
    descriptors: tuple[int, ...],
    peer: Closable,
) -> M | None:
    """Decode a frame; one that is no message closes the connection.

    The descriptors that came with it are closed: nobody sends these daemons any.
    """
    for number in descriptors:
        os.close(number)
    try:
        return decoder.decode(payload)
    except msgspec.MsgspecError as error:
        peer.close(f"not a message of ours: {error}")
        return None
