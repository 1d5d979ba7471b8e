"""The drop directory: messages that submitters left while the queue did not answer.

Taken in at start and every DROP_SCAN_S. Who handed a message in is the file's owner. A file
that cannot be used is moved to queue/aside and told; it is never deleted, nor replaces another.

Always:
    - Anybody may make files there, and change his own at any moment. Whatever lies there costs
      others neither their answer nor their turn: reading and copying is the work of a thread.
    - At most DROP_HELD_BYTES_MAX of bodies are in memory on their way.
    - A trouble of the moment (no room, no descriptors) leaves the file where it is.
"""

import asyncio
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from glassmail.core.formats.drop import DropError
from glassmail.core.model.limits import BODY_INLINE_BYTES_MAX
from glassmail.core.model.system_errors import words_of
from glassmail.daemons.queue.intake import Incoming, Intake
from glassmail.daemons.queue.limits import DROP_HELD_BYTES_MAX, DROP_HELD_MAX, DROP_SCAN_S
from glassmail.net.messages import Declined, Enqueue, Enqueued
from glassmail.store.drop import Dropped, is_finished, open_drop
from glassmail.store.queue.disk import QueueDisk

COPY_BYTES = 1_048_576
# What opening a file says when it is the file's fault: no link is followed, no socket opened,
# nothing read that its owner did not let us read.
_UNUSABLE = frozenset({errno.ELOOP, errno.EACCES, errno.EPERM, errno.ENXIO, errno.ENODEV})


class Owner(Protocol):
    """What the queue process does for the drop directory."""

    def take_dropped(self, incoming: Incoming) -> None:
        """Queue a message."""

    def warn(self, text: str) -> None:
        """Tell a warning."""

    def forget_drops(self, present: set[str]) -> None:
        """Forget names of taken files that are not there any more."""


class DropBox:
    """The directory and the files of it that are on their way into the queue."""

    def __init__(
        self, directory: str, aside: str, disk: QueueDisk, intake: Intake, owner: Owner
    ) -> None:
        self._directory = directory
        self._aside = aside
        self._disk = disk
        self._intake = intake
        self._owner = owner
        self._thread = ThreadPoolExecutor(1, "drop")
        self._scan: asyncio.Task[None] | None = None
        self._under_way: dict[str, int] = {}  # with the bytes that each holds in memory
        self._room = asyncio.Event()
        self._told: dict[str, str] = {}  # what was said of files that are still there

    def start(self) -> None:
        """Take in what lies there, now and again and again."""
        loop = asyncio.get_running_loop()
        loop.call_later(DROP_SCAN_S, self.start)
        if self._scan is None or self._scan.done():
            self._scan = loop.create_task(self._take_all())

    def count(self) -> int:
        """How many messages lie there."""
        try:
            return sum(map(is_finished, os.listdir(self._directory)))
        except OSError:
            return 0  # the next look tells of it

    async def _take_all(self) -> None:
        try:
            names = sorted(os.listdir(self._directory))
            self._owner.forget_drops(set(names))
        except OSError as error:
            self._owner.warn(f"cannot read {self._directory}: {words_of(error)}")
            return
        self._told = {name: self._told[name] for name in names if name in self._told}
        for name in names:
            while self._is_full_up():
                self._room.clear()
                await self._room.wait()
            if self._intake.is_full:
                return  # nothing is copied that would be declined
            if is_finished(name) and name not in self._under_way:
                await self._take(name)

    def _is_full_up(self) -> bool:
        held = self._under_way
        return len(held) >= DROP_HELD_MAX or sum(held.values()) >= DROP_HELD_BYTES_MAX

    async def _take(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        path = os.path.join(self._directory, name)
        try:
            if os.lstat(path).st_size > self._disk.free_bytes():
                self._tell_once(name, "has to wait: it is larger than the room on the queue's disk")
                return
            dropped, body = await loop.run_in_executor(self._thread, _read, path)
            try:
                file = await self._copy(dropped) if body is None else None
            finally:
                os.close(dropped.fd)
        except DropError as error:
            self._set_aside(name, str(error))
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in _UNUSABLE:
                self._set_aside(name, f"cannot be opened: {words_of(error)}")
            else:
                self._tell_once(name, f"cannot be taken in now: {words_of(error)}")
        else:
            self._hand_in(name, dropped, body, file)

    async def _copy(self, dropped: Dropped) -> str:
        """Copy a large body to a body file, durably; nothing of it stays when that fails."""
        name, descriptor = self._disk.make_body()
        is_whole = False
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, _copy, dropped, descriptor)
            is_whole = True
        finally:
            os.close(descriptor)
            if not is_whole:
                self._disk.remove_body(name)
        return name

    def _hand_in(self, name: str, dropped: Dropped, body: bytes | None, file: str | None) -> None:
        self._under_way[name] = len(body or b"")
        sender, recipients = dropped.envelope
        message = Enqueue(
            0, sender, recipients, b"", body, 0, dropped.body_size, 0, 0, b"", "user"
        )  # fmt: skip
        invoked = b"by uid %d" % dropped.uid
        self._owner.take_dropped(
            Incoming(
                message, dropped.uid, "user", invoked, file, lambda a: self._answered(name, a), name
            )
        )

    def _answered(self, name: str, answer: Enqueued | Declined) -> None:
        del self._under_way[name]
        self._room.set()
        if not isinstance(answer, Enqueued):
            return
        try:
            # Not synced: the store knows the name, so a file that comes back is not queued twice.
            os.unlink(os.path.join(self._directory, name))
        except FileNotFoundError:
            return  # its owner may remove it too
        except OSError as error:
            self._tell_once(name, f"is in the queue, but cannot be removed: {words_of(error)}")

    def _set_aside(self, name: str, reason: str) -> None:
        kept, number = name, 0
        while os.path.lexists(os.path.join(self._aside, kept)):
            number += 1
            kept = f"{name}.{number}"
        try:
            os.rename(os.path.join(self._directory, name), os.path.join(self._aside, kept))
        except OSError as error:  # another user's directory cannot be moved, nor a vanished file
            self._tell_once(name, f"{reason}, and cannot be moved aside: {words_of(error)}")
            return
        self._owner.warn(f"queue/drop/{name} {reason}: moved to queue/aside")

    def _tell_once(self, name: str, what: str) -> None:
        """Warn of a file that stays, unless the same was said of it at an earlier look."""
        if self._told.get(name) != what:
            self._told[name] = what
            self._owner.warn(f"queue/drop/{name} {what}")


def _read(path: str) -> tuple[Dropped, bytes | None]:
    """Open and check a file; with its body when that is small."""
    dropped = open_drop(path)
    if dropped.body_size > BODY_INLINE_BYTES_MAX:
        return dropped, None
    try:
        body = os.pread(dropped.fd, dropped.body_size, dropped.body_at)
        if len(body) != dropped.body_size:
            raise DropError("became shorter while it was read")
    except (OSError, DropError):
        os.close(dropped.fd)
        raise
    return dropped, body


def _copy(dropped: Dropped, descriptor: int) -> None:
    at, end = dropped.body_at, dropped.body_at + dropped.body_size
    while at < end:
        count = os.sendfile(descriptor, dropped.fd, at, min(COPY_BYTES, end - at))
        if not count:
            raise DropError("became shorter while it was copied")
        at += count
    os.fsync(descriptor)
