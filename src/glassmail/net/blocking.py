"""Frames over a Unix stream socket, with descriptors, for programs without an event loop.

Purpose:
    One frame is a 5-byte header (length, number of descriptors) and a msgpack payload.
    This module must not import asyncio (nor msgspec): the commands that mail programs start for
    every message use it, and that import alone would double their start-up time. `_socket` is
    what `socket` is made of: all of it that is needed here, without the 3 ms in which `socket`
    turns some hundreds of constants into enumerations.

Always:
    - A frame over FRAME_BYTES_MAX is refused, on both sides.
    - Descriptors belong to the frame that names them, in order; what nobody took is closed.
"""

import _socket
import os
import struct
from array import array
from collections import deque
from collections.abc import Sequence

from glassmail.net.limits import FRAME_BYTES_MAX, FRAME_DESCRIPTORS_MAX, READ_BYTES

_HEADER = struct.Struct("!IB")
_INT = array("i").itemsize
ANCILLARY_BYTES = _socket.CMSG_SPACE(FRAME_DESCRIPTORS_MAX * 4 * _INT)
CLOEXEC = _socket.MSG_CMSG_CLOEXEC


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


# Buffers that no thread reads into just now: recvmsg would map and unmap READ_BYTES of fresh memory
# at each call. There are as many as threads that ever read at once: one, in the daemons.
_spare: list[memoryview] = []


def receive_some(sock: _socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """Read what is there: (bytes, ancillary data); no bytes at the end. Raises OSError."""
    try:
        buffer = _spare.pop()
    except IndexError:
        buffer = memoryview(bytearray(READ_BYTES))
    try:
        count, ancillary, _flags, _address = sock.recvmsg_into((buffer,), ANCILLARY_BYTES, CLOEXEC)
        return buffer[:count].tobytes(), ancillary
    finally:
        _spare.append(buffer)


def descriptors_of(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors that came with a recvmsg."""
    found = array("i")
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % _INT])
    return list(found)


def peer_credentials(sock: _socket.socket) -> tuple[int, int, int]:
    """Return (pid, uid, gid) of the process that connected (SO_PEERCRED)."""
    data = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    pid, uid, gid = struct.unpack("iII", data)
    return pid, uid, gid


class BlockingChannel:
    """A channel for programs without an event loop."""

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self._reader = FrameReader()
        self._frames: deque[tuple[bytes, tuple[int, ...]]] = deque()

    def send(self, payload: bytes, descriptors: Sequence[int] = ()) -> None:
        """Send one frame, waiting as long as the socket's timeout allows; raises OSError."""
        data = frame(payload, len(descriptors))
        sent = 0
        if descriptors:
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array("i", descriptors))]
            sent = self.sock.sendmsg([data], rights)
        self.sock.sendall(data[sent:] if sent else data)

    def receive(self) -> tuple[bytes, tuple[int, ...]] | None:
        """Return the next frame, or None at the end; raises OSError (timeout) or ChannelError."""
        while not self._frames:
            data, ancillary = receive_some(self.sock)
            if not data:
                return None
            self._frames.extend(self._reader.feed(data, descriptors_of(ancillary)))
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
    """Connect to an internal socket; raises OSError.

    A Unix socket whose backlog is full refuses a non-blocking connect at once (EAGAIN) instead of
    waiting, so this connects blocking, with the kernel's own time limit.
    """
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        if timeout_s is not None:
            limit = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1_000_000))
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDTIMEO, limit)
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    sock.settimeout(timeout_s)
    return BlockingChannel(sock)
