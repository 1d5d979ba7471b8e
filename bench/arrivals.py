"""Notice messages as they appear in a Maildir's new/, at next to no cost: inotify by ctypes.

A server either renames or links its file into new/; either is one event. The reader sleeps a few
milliseconds between reads so that counting thousands of messages a second costs some wake-ups only;
`last_at` is therefore late by at most PAUSE_S.
"""

import ctypes
import os
import select
import struct
import threading
import time

IN_MOVED_TO, IN_CREATE, IN_Q_OVERFLOW = 0x80, 0x100, 0x4000
PAUSE_S = 0.004
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Arrivals:
    """Counts (and on demand names, with times) what appears in directories."""

    def __init__(self, directories: list[str], *, keep_names: bool = False) -> None:
        self.count = 0
        self.last_at = time.monotonic()
        self.names: list[tuple[float, str]] = []
        self.overflowed = False
        self._keep = keep_names
        self._pause_s = 0.0 if keep_names else PAUSE_S
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1")
        self._paths: dict[int, str] = {}
        for directory in directories:
            watch = _libc.inotify_add_watch(self._fd, directory.encode(), IN_MOVED_TO | IN_CREATE)
            if watch < 0:
                raise OSError(ctypes.get_errno(), f"inotify_add_watch {directory}")
            self._paths[watch] = directory
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self, count: int, timeout_s: float) -> float:
        """Wait until `count` have arrived; return the time (monotonic) of the last arrival."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count >= count, timeout_s):
                raise TimeoutError(f"{self.count} of {count} messages arrived in {timeout_s:.0f} s")
            return self.last_at

    def close(self) -> None:
        """Stop reading."""
        self._closing = True
        self._thread.join()
        os.close(self._fd)

    def _read(self) -> None:
        while not self._closing:
            if not select.select([self._fd], [], [], 0.05)[0]:
                continue
            try:
                data = os.read(self._fd, 1 << 18)
            except BlockingIOError:
                continue
            self._take(data, time.monotonic())
            if self._pause_s:
                time.sleep(self._pause_s)

    def _take(self, data: bytes, now: float) -> None:
        found, offset = 0, 0
        while offset < len(data):
            watch, mask, _, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            if mask & IN_Q_OVERFLOW:
                self.overflowed = True
            elif self._keep:
                name = data[offset : offset + length].rstrip(b"\0").decode()
                self.names.append((now, os.path.join(self._paths[watch], name)))
            offset += length
            found += 1
        with self._changed:
            self.count += found
            self.last_at = now
            self._changed.notify_all()
