"""Make written files durable: one `syncfs` for a filesystem, or an fsync of each file.

Purpose:
    The two ways to reach the disk, and `Chooser`, which picks one per filesystem by the times
    that the last batches took: a bulk writer on the same filesystem makes `syncfs` slow (it
    waits for the bulk too), an fsync of each file costs more when nobody else writes.

Always:
    - `syncfs` is used only where an error reaches its caller: Linux 5.8 or later, ext4 or xfs.
      The kernel reports a write error to descriptors that were open before it happened, so the
      descriptor must be older than the writes it answers for, and is kept.
    - An fsync that failed is never repeated on the same file and called good.
"""

import ctypes
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

FSYNC_THREADS = 16  # the journal commits of concurrent fsyncs are shared
SYNCFS_FILESYSTEMS = (b"ext4", b"xfs")
SYNCFS_KERNEL = (5, 8)  # from here on syncfs reports write errors
SLOW_S = 0.020  # a round slower than this makes us look whether fsync would be faster
PROBE_INTERVAL_S = 2.0  # how often the way not taken is measured
QUICK_ROUNDS = 3  # in a row, before rounds are used again after they were slow
WEIGHT = 0.25  # of the newest measurement in the average

_libc = ctypes.CDLL(None, use_errno=True)


def sync_filesystem(descriptor: int) -> None:
    """Write everything of the descriptor's filesystem to the disk (without holding the GIL).

    Raises:
        OSError: when it failed, or when an earlier write since this descriptor was opened did.
    """
    if _libc.syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def filesystem_type(device: int) -> bytes:
    """Return the type of a mounted filesystem by its device number, empty when unknown."""
    wanted = b"%d:%d" % (os.major(device), os.minor(device))
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            # proc_pid_mountinfo(5): id parent major:minor root point options ... - type source ...
            for line in file:
                before, _, after = line.partition(b" - ")
                if before.split(b" ", 3)[2] == wanted:
                    return after.split(b" ", 1)[0]
    except OSError:
        return b""  # without /proc nobody can tell: fsync is right everywhere
    return b""


def kernel_reports_errors(release: str) -> bool:
    """Tell whether this kernel's syncfs reports write errors (5.8 and later)."""
    numbers = []
    for part in release.split(".")[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            return False
        numbers.append(int(digits))
    return tuple(numbers) >= SYNCFS_KERNEL


def can_syncfs(device: int) -> bool:
    """Tell whether a round of syncfs is as good as an fsync of each file there."""
    return (
        kernel_reports_errors(os.uname().release) and filesystem_type(device) in SYNCFS_FILESYSTEMS
    )


def fsync_each(descriptors: Sequence[int]) -> list[OSError | None]:
    """Sync files side by side; return an error or None for each, in order.

    The threads end before this returns: the caller may fork again.
    """
    if len(descriptors) < 2:
        return [_fsync(number) for number in descriptors]
    with ThreadPoolExecutor(min(FSYNC_THREADS, len(descriptors))) as threads:
        return list(threads.map(_fsync, descriptors))


def _fsync(descriptor: int) -> OSError | None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        return error
    return None


class Chooser:
    """Which way one filesystem is synced. Told times, it decides; it looks at no clock itself."""

    def __init__(self, mode: bytes, *, can_syncfs: bool) -> None:
        """Start with syncfs where it is possible.

        Args:
            mode: control/syncmode: auto, syncfs or fsync; anything else counts as auto.
            can_syncfs: whether syncfs may be trusted on this filesystem.
        """
        self.mode = mode
        self.can_syncfs = can_syncfs
        self._round_s = 0.0
        self._batch_s = 0.0
        self._is_on_fsync = False
        self._quick_rounds = 0
        self._probed_at = 0.0
        self._barred_until = 0.0

    def wants_fsync(self, now: float) -> bool:
        """Tell how the next batch is to be made durable: True for an fsync of each file."""
        if not self.can_syncfs or self.mode == b"fsync" or now < self._barred_until:
            return True
        if self.mode == b"syncfs":
            return False
        if self._is_on_fsync:
            return True
        if self._round_s > SLOW_S and now - self._probed_at >= PROBE_INTERVAL_S:
            self._probed_at = now
            return True
        return False

    def wants_probe(self, now: float) -> bool:
        """Tell whether a round shall be run to measure it, though nobody waits for it."""
        if not self._is_on_fsync or not self.can_syncfs or self.mode != b"auto":
            return False
        if now - self._probed_at < PROBE_INTERVAL_S:
            return False
        self._probed_at = now
        return True

    def round_took(self, seconds: float) -> None:
        """Learn how long a round of syncfs took. A message waits for two of them."""
        self._round_s += (seconds - self._round_s) * (WEIGHT if self._round_s else 1.0)
        self._quick_rounds = self._quick_rounds + 1 if seconds <= SLOW_S else 0
        self._decide()

    def batch_took(self, seconds: float) -> None:
        """Learn how long a batch with an fsync of each file took."""
        self._batch_s += (seconds - self._batch_s) * (WEIGHT if self._batch_s else 1.0)
        self._decide()

    def bar(self, until: float) -> None:
        """Use fsync until then: a round has failed, and each file must answer for itself."""
        self._barred_until = until

    def _decide(self) -> None:
        if self._is_on_fsync:
            # One quick round between slow ones proves nothing: a bulk writer pauses, too.
            if self._quick_rounds >= QUICK_ROUNDS:
                self._is_on_fsync = False
                self._round_s = 0.0
        elif self._round_s > SLOW_S and self._batch_s:
            self._is_on_fsync = self._batch_s < 2 * self._round_s
