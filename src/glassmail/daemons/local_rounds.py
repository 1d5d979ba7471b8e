"""Rounds of syncfs: one at a time on each filesystem, each for everybody who asked before it.

Purpose:
    A round takes as long as the filesystem's slowest writer makes it. Whoever has another way
    joins impatiently: after PATIENCE_S of a round he is told no instead of waiting longer.

Always:
    - Who joins is served by a round that BEGINS after joining. Whoever joins while a round is
      under way waits for the next one: the running one may have passed his writes already.
    - The descriptor that a round uses is older than every write it answers for (store.sync):
      the first worker's on that filesystem is kept while any worker uses the filesystem.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from glassmail.daemons.local_limits import BARRED_S
from glassmail.store.sync import Chooser, can_syncfs, sync_filesystem

PATIENCE_S = 0.030  # quiet rounds take a few milliseconds
THREADS = 8  # filesystems that can be synced at the same time

Joined = Callable[[bool], None]


class _Filesystem:
    def __init__(self, device: int, descriptor: int, mode: bytes) -> None:
        self.device = device
        self.descriptor = descriptor
        self.chooser = Chooser(mode, can_syncfs=can_syncfs(device))
        self.owners: set[int] = set()
        self.waiting: list[tuple[Joined, bool]] = []  # with: is he patient?
        self.served: list[tuple[Joined, bool]] = []  # by the round under way
        self.is_running = False
        self.is_slow = False


class Rounds:
    """The filesystems that the workers write to."""

    def __init__(self, mode: bytes, tell: Callable[[str], None]) -> None:
        """Make it without any filesystem.

        Args:
            mode: control/syncmode.
            tell: called with a text when a round fails.
        """
        self._mode = mode
        self._tell = tell
        self._filesystems: dict[int, _Filesystem] = {}
        self._threads = ThreadPoolExecutor(THREADS, "syncfs")

    def set_mode(self, mode: bytes) -> None:
        """Obey a changed control/syncmode."""
        self._mode = mode
        for filesystem in self._filesystems.values():
            filesystem.chooser.mode = mode

    def learn(self, descriptor: int, owner: int) -> int:
        """Take a worker's descriptor (ours to close from now on); return the device number."""
        device = os.fstat(descriptor).st_dev  # not what the worker says it is
        known = self._filesystems.get(device)
        if known is None:
            known = _Filesystem(device, descriptor, self._mode)
            self._filesystems[device] = known
        else:
            os.close(descriptor)
        known.owners.add(owner)
        return device

    def leave(self, owner: int) -> None:
        """A worker has ended; a filesystem that nobody uses is let go, so that it can unmount."""
        for filesystem in list(self._filesystems.values()):
            filesystem.owners.discard(owner)
            self._drop_unused(filesystem)

    def knows(self, devices: Iterable[int]) -> bool:
        """Tell whether all of these can be synced here."""
        return all(device in self._filesystems for device in devices)

    def wants_fsync(self, devices: Iterable[int]) -> bool:
        """Tell whether a batch on these shall be synced file by file by its worker."""
        now = asyncio.get_running_loop().time()
        wants = False
        for device in devices:
            filesystem = self._filesystems[device]
            if filesystem.is_slow or filesystem.chooser.wants_fsync(now):
                wants = True
                if not filesystem.is_running and filesystem.chooser.wants_probe(now):
                    self._begin(filesystem)
        return wants

    def batch_took(self, devices: Iterable[int], seconds: float) -> None:
        """Learn how long a worker needed to sync a batch file by file."""
        for device in devices:
            if device in self._filesystems:
                self._filesystems[device].chooser.batch_took(seconds)

    def join(self, devices: Iterable[int], done: Joined, *, is_patient: bool = True) -> None:
        """Call done(True) when rounds that begin from now on have ended well on all devices.

        done(False): one of them failed, or took too long for somebody without patience.
        """
        wanted = list(devices)
        if not wanted:
            done(True)
            return
        left = len(wanted)
        is_well = True

        def ended(was_well: bool) -> None:
            nonlocal left, is_well
            left -= 1
            is_well = is_well and was_well
            if not left:
                done(is_well)

        for device in wanted:
            filesystem = self._filesystems[device]
            filesystem.waiting.append((ended, is_patient))
            if not filesystem.is_running:
                self._begin(filesystem)

    def close(self) -> None:
        """Let go of everything; rounds under way end by themselves."""
        self._threads.shutdown(wait=False)

    def _begin(self, filesystem: _Filesystem) -> None:
        filesystem.served, filesystem.waiting = filesystem.waiting, []
        filesystem.is_running = True
        loop = asyncio.get_running_loop()
        began = loop.time()
        timer = loop.call_later(PATIENCE_S, self._is_late, filesystem)
        future = loop.run_in_executor(self._threads, sync_filesystem, filesystem.descriptor)

        def ended(done: "asyncio.Future[None]") -> None:
            timer.cancel()
            filesystem.is_running = filesystem.is_slow = False
            served, filesystem.served = filesystem.served, []
            error = done.exception()
            filesystem.chooser.round_took(loop.time() - began)
            if error is not None:
                filesystem.chooser.bar(loop.time() + BARRED_S)
                major, minor = os.major(filesystem.device), os.minor(filesystem.device)
                self._tell(f"syncfs on device {major}:{minor} failed: {error}")
            # The next round begins before the owners of this one hear of it: it owes them nothing.
            if filesystem.waiting:
                self._begin(filesystem)
            for joined, _is_patient in served:
                joined(error is None)
            self._drop_unused(filesystem)

        future.add_done_callback(ended)

    def _is_late(self, filesystem: _Filesystem) -> None:
        """Send the impatient away; they have another way than this round or the next."""
        if filesystem.chooser.mode == b"syncfs":
            return
        filesystem.is_slow = True
        everybody = filesystem.served + filesystem.waiting
        filesystem.served = [each for each in filesystem.served if each[1]]
        filesystem.waiting = [each for each in filesystem.waiting if each[1]]
        for joined, is_patient in everybody:
            if not is_patient:
                joined(False)

    def _drop_unused(self, filesystem: _Filesystem) -> None:
        is_used = filesystem.owners or filesystem.waiting or filesystem.is_running
        if not is_used and self._filesystems.get(filesystem.device) is filesystem:
            del self._filesystems[filesystem.device]
            os.close(filesystem.descriptor)
