"""A filesystem whose power can be cut: a loop-mounted image and the shutdown ioctl.

The ioctl 0x8004587d with the number 2 (ext4's and xfs's GOINGDOWN without a log flush) stops the
filesystem at once: what is not on the disk by then never gets there, exactly as when the power
fails. Unmounting drops what was in memory; mounting replays the journal.

Needs root and a mount namespace of one's own (`inside.leave_mounts`).
"""

import contextlib
import ctypes
import fcntl
import os
import struct
import subprocess
import time

from inside import mount

SHUTDOWN = 0x8004587D
WITHOUT_LOG_FLUSH = struct.pack("I", 2)
MNT_DETACH = 2
# xfs refuses to be smaller than 300 MB.
SIZE = 512 << 20
WAIT_S = 10.0
_libc = ctypes.CDLL(None, use_errno=True)


class DiskError(Exception):
    """A filesystem cannot be made or mounted here; the text says why."""


def why_not() -> str | None:
    """Say why power cuts cannot be made here, or None."""
    if os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/loop-control"):
        return "this kernel offers no loop devices"
    done = subprocess.run(["losetup", "-f"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"no loop device: {done.stderr.strip()}"
    return None


class Disk:
    """One image, one loop device, one mount point."""

    def __init__(self, kind: str, image: str, on: str) -> None:
        self.kind = kind
        self.on = on
        self._image = image
        self._device = ""
        self._is_mounted = False

    def make(self) -> None:
        """Make the image and its filesystem, attach it, mount it."""
        os.makedirs(self.on, exist_ok=True)
        os.makedirs(os.path.dirname(self._image), exist_ok=True)
        with open(self._image, "wb") as image:
            image.truncate(SIZE)
        options = {"ext4": ["-q", "-F", "-E", "lazy_itable_init=0"], "xfs": ["-q", "-f"]}[self.kind]
        self._command([f"mkfs.{self.kind}", *options, self._image])
        self._device = self._command(["losetup", "-f", "--show", self._image]).strip()
        self.mount()

    def mount(self) -> None:
        """Mount; the journal is replayed."""
        mount(self._device, self.on, self.kind, 0)
        self._is_mounted = True

    def cut(self) -> None:
        """Cut the power."""
        descriptor = os.open(self.on, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, WITHOUT_LOG_FLUSH)
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Unmount and wait until the kernel has let go of the filesystem.

        Dead processes' mount namespaces are taken down a little later; while one is left, mounting
        would give the dead filesystem again.
        """
        if not self._is_mounted:
            return
        if _libc.umount2(self.on.encode(), 0) != 0:
            _libc.umount2(self.on.encode(), MNT_DETACH)
        self._is_mounted = False
        state = f"/sys/fs/{self.kind}/{os.path.basename(self._device)}"
        deadline = time.monotonic() + WAIT_S
        while os.path.exists(state):
            if time.monotonic() > deadline:
                raise DiskError(f"{self.on}: still in use {WAIT_S:.0f} s after its unmounting")
            time.sleep(0.002)

    def close(self) -> None:
        """Unmount, detach, remove the image."""
        with contextlib.suppress(DiskError):
            self.unmount()
        if self._device:
            subprocess.run(["losetup", "-d", self._device], check=False)
            self._device = ""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._image)

    @staticmethod
    def _command(command: list[str]) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DiskError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout
