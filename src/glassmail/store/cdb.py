"""A cdb on the disk: mapped, looked up, and taken anew when it was replaced.

Always:
    - `current()` asks the file system each time (one stat), since qmail opens a cdb anew for
      each delivery and connection: a rebuilt file counts from the next look-up on.
    - A CdbFile stays readable after its file was replaced, so that one decision sees one file.
    - Trouble other than "no such file" is an OSError, damage a CdbError; both name the file.
"""

import mmap
import os
from collections.abc import Iterator

from glassmail.core.formats import cdb
from glassmail.core.formats.cdb import CdbError

_Stamp = tuple[int, int, int, int]


class CdbFile:
    """One cdb as it was when opened."""

    __slots__ = ("_data", "mtime_ns", "name")

    def __init__(self, data: mmap.mmap | bytes, name: str, mtime_ns: int) -> None:
        self._data = data
        self.name = name
        self.mtime_ns = mtime_ns

    def find(self, key: bytes) -> bytes | None:
        """Return the data of the first record with this key; raises CdbError if damaged."""
        try:
            # A mapped file answers len(), slices and buffer reads just as bytes do.
            return cdb.find(self._data, key)  # type: ignore[arg-type]
        except CdbError as error:
            raise CdbError(f"{self.name}: {error}: build it anew") from error

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """List all records; raises CdbError if damaged."""
        try:
            yield from cdb.records(self._data)  # type: ignore[arg-type]
        except CdbError as error:
            raise CdbError(f"{self.name}: {error}: build it anew") from error


class Cdb:
    """A cdb by its path, whichever file stands there."""

    __slots__ = ("_file", "_name", "_path", "_stamp")

    def __init__(self, path: str, name: str = "") -> None:
        """Name the file; nothing is opened yet.

        Args:
            path: where it lies; it need not exist.
            name: how trails and errors call it, `users/cdb`; the path when empty.
        """
        self._path = path
        self._name = name or path
        self._stamp: _Stamp | None = None
        self._file: CdbFile | None = None

    def current(self) -> CdbFile | None:
        """Return the file that stands there now, None when there is none; raises OSError."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            self._stamp, self._file = None, None
            return None
        stamp = status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev
        if self._file is None or stamp != self._stamp:
            self._file = self._open()
            self._stamp = stamp
        return self._file

    def find(self, key: bytes) -> bytes | None:
        """Look a key up; None when it, or the file, is not there; raises CdbError, OSError."""
        file = self.current()
        return None if file is None else file.find(key)

    def _open(self) -> CdbFile | None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            status = os.fstat(descriptor)
            # An empty file cannot be mapped; to a look-up it is a damaged cdb all the same.
            data = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) if status.st_size else b""
        except OSError as error:
            error.filename = self._path  # mmap knows no name
            raise
        finally:
            os.close(descriptor)
        return CdbFile(data, self._name, status.st_mtime_ns)
