"""Read a multilog directory: all lines, oldest first, and what is written from now on."""

import os
import re
from collections.abc import Iterator

_READ_BYTES = 262_144
_is_finished = re.compile(r"@[0-9a-f]{24}\.[su]").fullmatch


def files(directory: str) -> list[str]:
    """Return the files of a log, oldest first, `current` last; raises OSError."""
    names = sorted(filter(_is_finished, os.listdir(directory)))
    return [os.path.join(directory, name) for name in (*names, "current")]


def lines(directory: str, since_label: bytes = b"") -> Iterator[bytes]:
    """Yield all lines without their newline, oldest first; raises OSError.

    Args:
        directory: the log.
        since_label: files that were finished before this label are left out.
    """
    for path in files(directory):
        name = os.path.basename(path).encode("ascii", "replace")
        if name.startswith(b"@") and name[:25] < since_label:
            continue
        try:
            with open(path, "rb") as file:
                for line in file:
                    yield line.rstrip(b"\n")
        except FileNotFoundError:
            continue  # rotated away, or .u became .s: its lines were the oldest


def last_lines(directory: str, count: int) -> list[bytes]:
    """Return the last lines of `current` and, when it is short, of the file before; OSError."""
    found: list[bytes] = []
    for path in reversed(files(directory)):
        try:
            found = _tail(path, count - len(found)) + found
        except FileNotFoundError:
            continue
        if len(found) >= count:
            break
    return found


def _tail(path: str, count: int) -> list[bytes]:
    if count <= 0:
        return []
    with open(path, "rb") as file:
        at = file.seek(0, os.SEEK_END)
        data = b""
        while at and data.count(b"\n") <= count:
            step = min(at, _READ_BYTES)
            at -= step
            file.seek(at)
            data = file.read(step) + data
    return data.split(b"\n")[:-1][-count:]


class Follower:
    """Lines that are appended to a log from now on, across rotations."""

    def __init__(self, directory: str) -> None:
        """Begin at the end of `current`; raises OSError."""
        self._path = os.path.join(directory, "current")
        self._file = open(self._path, "rb")  # noqa: SIM115 -- it stays open until close
        self._file.seek(0, os.SEEK_END)
        self._rest = b""

    def read(self) -> list[bytes]:
        """Return the whole lines that came since the last call; raises OSError."""
        data = self._rest + self._file.read()
        try:
            is_rotated = os.stat(self._path).st_ino != os.fstat(self._file.fileno()).st_ino
        except FileNotFoundError:
            is_rotated = False  # just between two files: the next call sees the new one
        if is_rotated:
            data += self._file.read()
            between = _finished_after(self._path, os.fstat(self._file.fileno()).st_ino)
            self._file.close()
            self._file = open(self._path, "rb")  # noqa: SIM115
            data += between + self._file.read()
        *whole, self._rest = data.split(b"\n")
        return whole

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _finished_after(current: str, inode: int) -> bytes:
    """Return what was written to files that began and ended after the one with this inode."""
    names = files(os.path.dirname(current))[:-1]
    for at, path in enumerate(names):
        if _inode(path) == inode:
            return b"".join(_content(later) for later in names[at + 1 :])
    return b""  # a processor has it, or it is gone already


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return 0  # .u just became .s, or it is gone


def _content(path: str) -> bytes:
    for name in (path, path[:-2] + ".s"):
        try:
            with open(name, "rb") as file:
                return file.read()
        except FileNotFoundError:
            continue  # .u just became .s, or it is gone
    return b""
