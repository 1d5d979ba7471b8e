"""The table of addresses whose connections timed out: queue/lock/tcpto, as in qmail's tcpto.c.

Layout:
    64 records: address, a count of timeouts in the byte behind it, the time of the last one as
    four bytes, low first, at a fixed place. `tcpto` holds IPv4 in 16-byte records (address at 0,
    count at 4, time at 8), so that qmail-tcpto reads it; `tcpto6` holds IPv6 in 32-byte records
    (address at 0, count at 16, time at 20).

Always:
    - remote is the one writer, except that qmail-tcpok zeroes the files.
    - The table only saves time: a file that is missing, damaged or locked by somebody is ignored.
      (qmail waits for the lock; here that would let anyone who can open the file stop all mail.)
"""

import fcntl
import os
import socket
from typing import NamedTuple

from glassmail.core.model.system_errors import words_of

RECORDS = 64
COUNT_MAX = 10
COUNT_SKIPPED = 2  # from so many timeouts on the address is passed over
REPEAT_S = 120  # a timeout sooner after the last one does not count
JITTER = 32  # qmail's `getpid() & 31`, drawn anew for each question
_UNIT_S = 64


class Layout(NamedTuple):
    """Where things stand in a record."""

    record: int  # bytes of a record
    address: int  # bytes of the address, and so the place of the count
    time: int  # place of the time


IPV4 = Layout(16, 4, 8)
IPV6 = Layout(32, 16, 20)


class Timeouts(NamedTuple):
    """What the table says of an address: how many of late, how long ago the last."""

    timeouts: int
    age_s: int
    is_skipped: bool


class TableError(Exception):
    """A command cannot use the table. doing: open, lock or read; error: the system's."""

    def __init__(self, doing: str, error: OSError) -> None:
        super().__init__(doing, error)
        self.doing = doing
        self.error = error


class TcpTimeouts:
    """The two tables of a site."""

    def __init__(self, directory: str) -> None:
        """Name the directory, ROOT/queue/lock."""
        self._directory = directory

    def create(self) -> str | None:
        """Make missing files; return what stands in the way, or None."""
        try:
            os.makedirs(self._directory, mode=0o755, exist_ok=True)
            for name, layout in (("tcpto", IPV4), ("tcpto6", IPV6)):
                path = os.path.join(self._directory, name)
                if not os.path.exists(path):
                    with open(path, "xb") as file:
                        file.write(bytes(RECORDS * layout.record))
        except FileExistsError:
            return None  # somebody else was quicker
        except OSError as error:
            return f"{self._directory}: {words_of(error)}: timeouts of connections are not kept"
        return None

    def look(self, ip: str, now: int, draw: int) -> Timeouts | None:
        """Return what is known of an address, None when nothing is; draw: 0 to JITTER - 1."""
        layout, path = self._table(ip)
        with _Locked(path) as descriptor:
            data = _read(descriptor, layout)
        at = _find(data, layout, _packed(ip))
        if at is None:
            return None
        count = data[at + layout.address]
        age_s = now - _time(data, at, layout)
        is_skipped = count >= COUNT_SKIPPED and age_s < (60 + draw) * _UNIT_S
        return Timeouts(count, age_s, is_skipped)

    def succeeded(self, ip: str) -> None:
        """Note that an address that stands in the table took a connection."""
        layout, path = self._table(ip)
        with _Locked(path) as descriptor:
            data = _read(descriptor, layout)
            at = _find(data, layout, _packed(ip))
            if at is not None and data[at + layout.address]:
                data[at + layout.address] = 0
                _write(descriptor, data, at, layout)

    def timed_out(self, ip: str, now: int) -> None:
        """Note that a connection to an address timed out."""
        layout, path = self._table(ip)
        with _Locked(path) as descriptor:
            data = _read(descriptor, layout)
            if not data:
                return
            address = _packed(ip)
            at = _find(data, layout, address)
            if at is None:
                at = _free(data, layout)
                data[at : at + layout.address] = address
                data[at + layout.address] = 0
            count = data[at + layout.address]
            if count and now < REPEAT_S + _time(data, at, layout):
                return
            data[at + layout.address] = min(count + 1, COUNT_MAX)
            data[at + layout.time : at + layout.time + 4] = (now & 0xFFFFFFFF).to_bytes(4, "little")
            _write(descriptor, data, at, layout)

    def clear(self) -> None:
        """Forget everything (qmail-tcpok); raises TableError."""
        for path, layout in self._tables():
            with _Opened(path) as table:
                table.replace(bytes(RECORDS * layout.record))

    def entries(self) -> list[tuple[str, int, int]]:
        """List (address, time of the last timeout, count), IPv4 first; raises TableError."""
        found = []
        for path, layout in self._tables():
            with _Opened(path) as table:
                data = table.read(layout)
            for at in _places(data, layout):
                if data[at + layout.address]:
                    family = socket.AF_INET if layout is IPV4 else socket.AF_INET6
                    ip = socket.inet_ntop(family, bytes(data[at : at + layout.address]))
                    found.append((ip, _time(data, at, layout), data[at + layout.address]))
        return found

    def _tables(self) -> list[tuple[str, Layout]]:
        """The files there are; qmail's own must be there, the other need not."""
        tables = [(os.path.join(self._directory, "tcpto"), IPV4)]
        six = os.path.join(self._directory, "tcpto6")
        return [*tables, (six, IPV6)] if os.path.exists(six) else tables

    def _table(self, ip: str) -> tuple[Layout, str]:
        if ":" in ip:
            return IPV6, os.path.join(self._directory, "tcpto6")
        return IPV4, os.path.join(self._directory, "tcpto")


class _Opened:
    """A table for a command: opened for writing and locked, waiting for the lock as qmail does."""

    def __init__(self, path: str) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise TableError("open", error) from error

    def __enter__(self) -> "_Opened":
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        except OSError as error:
            self.__exit__()
            raise TableError("lock", error) from error
        return self

    def __exit__(self, *_exception: object) -> None:
        os.close(self._descriptor)

    def read(self, layout: Layout) -> bytearray:
        """Return the whole table."""
        try:
            return _read(self._descriptor, layout)
        except OSError as error:
            raise TableError("read", error) from error

    def replace(self, data: bytes) -> None:
        """Overwrite the whole table."""
        try:
            os.pwrite(self._descriptor, data, 0)
        except OSError as error:
            raise TableError("read", error) from error


class _Locked:
    """An open, locked table; the descriptor is -1 when there is none to be had now."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> int:
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # tcpto.c getbuf: without the table every address is tried
            self.__exit__()
        return self._descriptor

    def __exit__(self, *_exception: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _packed(ip: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


def _read(descriptor: int, layout: Layout) -> bytearray:
    if descriptor < 0:
        return bytearray()
    return bytearray(os.pread(descriptor, RECORDS * layout.record, 0))


def _write(descriptor: int, data: bytearray, at: int, layout: Layout) -> None:
    os.pwrite(descriptor, data[at : at + layout.record], at)


def _places(data: bytearray, layout: Layout) -> range:
    return range(0, len(data) - layout.record + 1, layout.record)


def _find(data: bytearray, layout: Layout, address: bytes) -> int | None:
    for at in _places(data, layout):
        if data[at : at + layout.address] == address:
            return at
    return None


def _time(data: bytearray, at: int, layout: Layout) -> int:
    return int.from_bytes(data[at + layout.time : at + layout.time + 4], "little")


def _free(data: bytearray, layout: Layout) -> int:
    """Choose a record: the first without timeouts, else the one that matters least."""
    places = _places(data, layout)
    for at in places:
        if not data[at + layout.address]:
            return at
    return min(places, key=lambda at: _time(data, at, layout) + (data[at + layout.address] << 10))
