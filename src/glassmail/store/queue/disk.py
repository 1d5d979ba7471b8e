"""The queue's directory beside the database: body files, the reserve, free space.

Always:
    - A body file is made here (O_EXCL, 0600), written by smtpd through its descriptor, and its
      directory entry is synced before the row that names it is committed.
    - 32 MiB stand in `reserve`: SQLite cannot even delete on a full disk. On ENOSPC the reserve
      is freed so that results can be settled, and made again when there is room.
"""

import os
import re
import secrets

RESERVE_BYTES = 33_554_432
_OURS = re.compile(r"b[0-9a-f]{12}-[0-9]{1,12}\Z")


def is_body_name(name: str) -> bool:
    """Tell whether a file in queue/body has a name as the queue gives them."""
    return _OURS.match(name) is not None


class QueueDisk:
    """Files of the queue directory."""

    def __init__(self, directory: str, bodies: str) -> None:
        self._directory = directory
        self._bodies = bodies
        self._reserve = os.path.join(directory, "reserve")
        self._run = secrets.token_hex(6)
        self._count = 0
        self._bodies_fd = os.open(bodies, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def make_body(self) -> tuple[str, int]:
        """Make an empty body file; return (name, descriptor open for reading and writing)."""
        self._count += 1
        name = f"b{self._run}-{self._count}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return name, os.open(name, flags, 0o600, dir_fd=self._bodies_fd)

    def open_body(self, name: str) -> int:
        """Open a body for reading; raises OSError."""
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._bodies_fd)

    def sync_bodies(self) -> None:
        """Make the names of new body files durable."""
        os.fsync(self._bodies_fd)

    def remove_body(self, name: str) -> None:
        """Remove a body file nobody refers to; one that is gone already is fine."""
        try:
            os.unlink(name, dir_fd=self._bodies_fd)
        except FileNotFoundError:
            return

    def unreferred(self, referred: set[str]) -> tuple[list[str], list[str]]:
        """Body files that no row names: (our own, foreign ones)."""
        names = [name for name in os.listdir(self._bodies_fd) if name not in referred]
        return list(filter(is_body_name, names)), [n for n in names if not is_body_name(n)]

    def set_aside(self, name: str, aside: str) -> None:
        """Move a body file to another directory; raises OSError."""
        os.rename(name, os.path.join(aside, name), src_dir_fd=self._bodies_fd)

    def wrong(self, sizes: dict[str, int]) -> list[tuple[str, int | None]]:
        """Body files that are missing (None) or have another size than their rows say."""
        found: list[tuple[str, int | None]] = []
        for name, size in sorted(sizes.items()):
            try:
                actual = os.stat(name, dir_fd=self._bodies_fd, follow_symlinks=False).st_size
            except OSError:
                found.append((name, None))
                continue
            if actual != size:
                found.append((name, actual))
        return found

    def free_bytes(self) -> int:
        """Bytes that may still be written on the queue's file system."""
        status = os.statvfs(self._directory)
        if status.f_files and not status.f_favail:
            return 0  # no inodes left: nothing new can be made, whatever the blocks say
        return status.f_bavail * status.f_frsize

    def has_reserve(self) -> bool:
        """Tell whether the reserve is in place."""
        try:
            return os.stat(self._reserve).st_size >= RESERVE_BYTES
        except FileNotFoundError:
            return False

    def make_reserve(self) -> bool:
        """Set the reserve aside; False when there is no room for it."""
        descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, 0)
            return False
        finally:
            os.close(descriptor)
        return True

    def free_reserve(self) -> None:
        """Give the reserve's room to the database."""
        try:
            os.truncate(self._reserve, 0)
        except FileNotFoundError:
            return
