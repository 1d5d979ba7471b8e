"""Frames over a Unix stream socket, with descriptors: how the processes talk.

Purpose:
    `Channel` serves an event loop; frames themselves and `BlockingChannel`, for the commands and
    workers without a loop, live in net.blocking and can be imported from here too.

Always:
    - A frame over FRAME_BYTES_MAX, or a peer that does not read UNSENT_BYTES_MAX bytes, closes the
      channel; the owner is told once.
    - Descriptors belong to the frame that names them, in order; what nobody took is closed.
"""

import asyncio
import os
import socket
from array import array
from collections import deque
from collections.abc import Callable, Sequence

from glassmail.net.blocking import (
    BlockingChannel,
    ChannelError,
    FrameReader,
    connect,
    descriptors_of,
    frame,
    peer_credentials,
    receive_some,
)
from glassmail.net.limits import JOIN_BYTES, UNSENT_BYTES_MAX

__all__ = [
    "BlockingChannel",
    "Channel",
    "ChannelError",
    "FrameReader",
    "connect",
    "frame",
    "peer_credentials",
]



class Channel:
    """A channel driven by the running event loop.

    on_frame(payload, descriptors) is called for each frame; on_close(reason) once at the end.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_frame: Callable[[bytes, tuple[int, ...]], None],
        on_close: Callable[[str], None],
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.is_open = True
        self._loop = asyncio.get_running_loop()
        self._on_frame = on_frame
        self._on_close = on_close
        self._reader = FrameReader()
        self._unsent: deque[tuple[bytes, Sequence[int]]] = deque()
        self._unsent_bytes = 0
        self._is_waiting = False  # for the socket to take more
        self._is_due = False  # a flush comes with the next round of the loop
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the peer to read."""
        return self._unsent_bytes

    def send(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send one frame with the next round of the loop: frames of one round share a system call.

        The descriptors are duplicated, the caller keeps and closes its own.
        """
        if not self.is_open:
            return
        data = frame(payload, len(descriptors))
        if self._unsent_bytes + len(data) > UNSENT_BYTES_MAX:
            self._end("the peer does not read")
            return
        kept = [os.dup(number) for number in descriptors]
        self._unsent.append((data, kept))
        self._unsent_bytes += len(data)
        if not self._is_waiting and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_due = False
        if not self.is_open:
            return
        try:
            while self._unsent:
                self._send_some()
        except (BlockingIOError, InterruptedError):
            if not self._is_waiting:
                self._is_waiting = True
                self._loop.add_writer(self.sock.fileno(), self._flush)
            return
        except OSError as error:
            self._end(str(error))
            return
        if self._is_waiting:
            self._is_waiting = False
            self._loop.remove_writer(self.sock.fileno())

    def _send_some(self) -> None:
        data, descriptors = self._unsent[0]
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))]
            sent = self.sock.sendmsg([data], rights)
            for number in descriptors:
                os.close(number)
        else:
            if len(self._unsent) > 1:
                data = self._join(data)
            sent = self.sock.send(data)
        self._unsent_bytes -= sent
        if sent < len(data):
            self._unsent[0] = (data[sent:], ())
        else:
            self._unsent.popleft()

    def _join(self, data: bytes) -> bytes:
        """Join the frames at the front that carry no descriptors, up to JOIN_BYTES."""
        unsent = self._unsent
        parts = [data]
        size = len(data)
        while len(unsent) > 1 and not unsent[1][1] and size + len(unsent[1][0]) <= JOIN_BYTES:
            unsent.popleft()
            parts.append(unsent[0][0])
            size += len(parts[-1])
        if len(parts) == 1:
            return data
        unsent[0] = (b"".join(parts), ())
        return unsent[0][0]

    def _readable(self) -> None:
        try:
            data, ancillary = receive_some(self.sock)
            descriptors = descriptors_of(ancillary) if ancillary else ()
            if not data:
                self._end("end of file")
                return
            frames = self._reader.feed(data, descriptors)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ChannelError) as error:
            self._end(str(error))
            return
        for payload, belonging in frames:
            if self.is_open:
                self._on_frame(payload, belonging)
            else:
                for number in belonging:
                    os.close(number)

    def close(self, reason: str = "closed") -> None:
        """Close now; what was said before still goes out, as far as the socket takes it at once.

        The owner's on_close is called once.
        """
        if self._is_due:
            self._flush()
        self._end(reason)

    def _end(self, reason: str) -> None:
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self.sock.fileno())
        if self._is_waiting:
            self._loop.remove_writer(self.sock.fileno())
        self.sock.close()
        self._reader.close()
        for _data, descriptors in self._unsent:
            for number in descriptors:
                os.close(number)
        self._unsent.clear()
        self._on_close(reason)
