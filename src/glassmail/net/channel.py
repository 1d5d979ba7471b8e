"""Frames over a Unix stream socket, with descriptors: how the processes talk.

Purpose:
    One frame is a 5-byte header (length, number of descriptors) and a msgpack payload.
    `Channel` serves an event loop, `BlockingChannel` the commands and workers without one.

Always:
    - A frame over FRAME_BYTES_MAX, or a peer that does not read UNSENT_BYTES_MAX bytes, closes the
      channel; the owner is told once.
    - Descriptors belong to the frame that names them, in order; what nobody took is closed.
"""

import array
import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence

from glassmail.net.limits import (
    FRAME_BYTES_MAX,
    FRAME_DESCRIPTORS_MAX,
    READ_BYTES,
    UNSENT_BYTES_MAX,
)

_HEADER = struct.Struct("!IB")
_INT = array.array("i").itemsize
_ANCILLARY_BYTES = socket.CMSG_SPACE(FRAME_DESCRIPTORS_MAX * 4 * _INT)
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class ChannelError(Exception):
    """The peer broke the rules of frames, or is gone."""


class FrameReader:
    """Bytes and descriptors in, frames out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._descriptors: deque[int] = deque()

    def feed(self, data: bytes, descriptors: Sequence[int]) -> list[tuple[bytes, tuple[int, ...]]]:
        """Add what was read; return the complete frames as (payload, descriptors)."""
        self._descriptors.extend(descriptors)
        buffer = self._buffer
        if buffer:
            buffer += data
            data = bytes(buffer)
        frames = []
        at = 0
        end = len(data)
        while end - at >= 5:
            length, count = _HEADER.unpack_from(data, at)
            if length > FRAME_BYTES_MAX or count > FRAME_DESCRIPTORS_MAX:
                raise ChannelError(f"frame of {length} bytes and {count} descriptors")
            if end - at - 5 < length:
                break
            frames.append((data[at + 5 : at + 5 + length], self._take(count)))
            at += 5 + length
        self._buffer = bytearray(data[at:]) if at < end else bytearray()
        return frames

    def _take(self, count: int) -> tuple[int, ...]:
        if count > len(self._descriptors):
            raise ChannelError("a frame names descriptors that did not come")
        return tuple(self._descriptors.popleft() for _ in range(count))

    def close(self) -> None:
        """Close descriptors that no frame claimed."""
        while self._descriptors:
            os.close(self._descriptors.popleft())


def frame(payload: bytes, descriptor_count: int = 0) -> bytes:
    """Put the header before a payload."""
    if len(payload) > FRAME_BYTES_MAX:
        raise ChannelError(f"frame of {len(payload)} bytes is too long")
    return _HEADER.pack(len(payload), descriptor_count) + payload


def _descriptors_of(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % _INT])
    return list(found)


def peer_credentials(sock: socket.socket) -> tuple[int, int, int]:
    """Return (pid, uid, gid) of the process that connected (SO_PEERCRED)."""
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, gid = struct.unpack("iII", data)
    return pid, uid, gid


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
        self._is_waiting = False
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait for the peer to read."""
        return self._unsent_bytes

    def send(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send one frame. The descriptors are duplicated, the caller keeps and closes its own."""
        if not self.is_open:
            return
        data = frame(payload, len(descriptors))
        if self._unsent_bytes + len(data) > UNSENT_BYTES_MAX:
            self.close("the peer does not read")
            return
        kept = [os.dup(number) for number in descriptors]
        self._unsent.append((data, kept))
        self._unsent_bytes += len(data)
        if not self._is_waiting:
            self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                self._send_some()
        except (BlockingIOError, InterruptedError):
            if not self._is_waiting:
                self._is_waiting = True
                self._loop.add_writer(self.sock.fileno(), self._flush)
            return
        except OSError as error:
            self.close(str(error))
            return
        if self._is_waiting:
            self._is_waiting = False
            self._loop.remove_writer(self.sock.fileno())

    def _send_some(self) -> None:
        data, descriptors = self._unsent[0]
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            sent = self.sock.sendmsg([data], rights)
        else:
            sent = self.sock.send(data)
        for number in descriptors:
            os.close(number)
        self._unsent_bytes -= sent
        if sent < len(data):
            self._unsent[0] = (data[sent:], ())
        else:
            self._unsent.popleft()

    def _readable(self) -> None:
        try:
            data, ancillary, _flags, _address = self.sock.recvmsg(
                READ_BYTES, _ANCILLARY_BYTES, _CLOEXEC
            )
            descriptors = _descriptors_of(ancillary) if ancillary else ()
            if not data:
                self.close("end of file")
                return
            frames = self._reader.feed(data, descriptors)
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, ChannelError) as error:
            self.close(str(error))
            return
        for payload, belonging in frames:
            if self.is_open:
                self._on_frame(payload, belonging)
            else:
                for number in belonging:
                    os.close(number)

    def close(self, reason: str = "closed") -> None:
        """Close now; what was not sent is lost. The owner's on_close is called once."""
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


class BlockingChannel:
    """A channel for programs without an event loop."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = FrameReader()
        self._frames: deque[tuple[bytes, tuple[int, ...]]] = deque()

    def send(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send one frame, waiting as long as the socket's timeout allows; raises OSError."""
        data = frame(payload, len(descriptors))
        sent = 0
        if descriptors:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
            sent = self.sock.sendmsg([data], rights)
        self.sock.sendall(data[sent:] if sent else data)

    def receive(self) -> tuple[bytes, tuple[int, ...]] | None:
        """Return the next frame, or None at the end; raises OSError (timeout) or ChannelError."""
        while not self._frames:
            data, ancillary, _flags, _address = self.sock.recvmsg(
                READ_BYTES, _ANCILLARY_BYTES, _CLOEXEC
            )
            if not data:
                return None
            self._frames.extend(self._reader.feed(data, _descriptors_of(ancillary)))
        return self._frames.popleft()

    @property
    def has_frame(self) -> bool:
        """Tell whether a complete frame is already here."""
        return bool(self._frames)

    def close(self) -> None:
        """Close the socket and descriptors nobody took."""
        self._reader.close()
        self.sock.close()


def connect(path: str, timeout_s: float | None = 10.0) -> BlockingChannel:
    """Connect to an internal socket; raises OSError."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout_s)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return BlockingChannel(sock)
