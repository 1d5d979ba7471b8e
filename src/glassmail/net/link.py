"""A lasting connection of a daemon to another one's socket: says hello, comes back after a break.

The owner gets decoded messages; a frame that does not decode to one of the expected messages
closes the connection. While it is down `send` refuses, so that nobody waits for an answer that
cannot come.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from glassmail.net.channel import Channel
from glassmail.net.messages import Hello, Message, encode

FIRST_PAUSE_S = 0.02
LONGEST_PAUSE_S = 1.0

M = TypeVar("M")


class Link(Generic[M]):
    """A connection to a Unix socket that is kept up.

    Args:
        path: the socket.
        role: what Hello says we are.
        decoder: of the messages the other side may send.
        on_message: called with (message, descriptors); the descriptors are the callee's to close.
        on_up: called when the connection is made, after Hello is sent.
        on_down: called with the reason when it breaks.
    """

    def __init__(
        self,
        path: str,
        role: str,
        decoder: "msgspec.msgpack.Decoder[M]",
        on_message: Callable[[M, tuple[int, ...]], None],
    ) -> None:
        self._path = path
        self._role = role
        self._decoder = decoder
        self._on_message = on_message
        self.on_up: Callable[[], None] = lambda: None
        self.on_down: Callable[[str], None] = lambda _reason: None
        self._channel: Channel | None = None
        self._pause_s = FIRST_PAUSE_S
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_up(self) -> bool:
        """Tell whether messages can be sent now."""
        return self._channel is not None

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the other side to read."""
        return self._channel.unsent_bytes if self._channel else 0

    def start(self) -> None:
        """Connect now, or keep trying in the background."""
        if self._is_closed or self._channel is not None:
            return
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)  # behind a process that accepts nobody connect(2) would wait
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            self._again()
            return
        self._pause_s = FIRST_PAUSE_S
        self._channel = Channel(sock, self._frame, self._closed)
        self._channel.send(encode(Hello(self._role, os.getpid())))
        self.on_up()

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> bool:
        """Send a message; False when the connection is down (nothing was sent)."""
        if self._channel is None:
            return False
        self._channel.send(encode(message), descriptors)  # which may close it
        return self.is_up

    def close(self) -> None:
        """Close for good."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._channel is not None:
            self._channel.close()

    def _frame(self, payload: bytes, descriptors: tuple[int, ...]) -> None:
        try:
            message = self._decoder.decode(payload)
        except msgspec.MsgspecError as error:
            for number in descriptors:
                os.close(number)
            if self._channel is not None:
                self._channel.close(f"not a message of ours: {error}")
            return
        self._on_message(message, descriptors)

    def _closed(self, reason: str) -> None:
        self._channel = None
        self.on_down(reason)
        self._again()

    def _again(self) -> None:
        if self._is_closed:
            return
        self._timer = asyncio.get_running_loop().call_later(self._pause_s, self.start)
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
