"""The drop directory: messages that submitters left while the queue did not answer.

Taken in at start and every DROP_SCAN_S. Who handed a message in is the file's owner. A file
that cannot be used is moved to queue/aside and told; it is never deleted.
"""

import asyncio
import os
from typing import Protocol

from glassmail.core.formats.drop import DropError
from glassmail.core.model.limits import BODY_INLINE_BYTES_MAX
from glassmail.daemons.queue.intake import Incoming
from glassmail.daemons.queue.limits import DROP_SCAN_S
from glassmail.net.messages import Declined, Enqueue, Enqueued
from glassmail.store.drop import Dropped, is_finished, open_drop
from glassmail.store.queue.disk import QueueDisk

COPY_BYTES = 1_048_576


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

    def __init__(self, directory: str, aside: str, disk: QueueDisk, owner: Owner) -> None:
        self._directory = directory
        self._aside = aside
        self._disk = disk
        self._owner = owner
        self._under_way: set[str] = set()

    def start(self) -> None:
        """Take in what lies there, now and again and again."""
        self.scan()
        asyncio.get_running_loop().call_later(DROP_SCAN_S, self.start)

    def count(self) -> int:
        """How many messages lie there."""
        try:
            return sum(map(is_finished, os.listdir(self._directory)))
        except OSError:
            return 0  # scan tells of it

    def scan(self) -> None:
        """Take in what lies there."""
        try:
            names = sorted(os.listdir(self._directory))
        except OSError as error:
            self._owner.warn(f"cannot read {self._directory}: {error.strerror}")
            return
        self._owner.forget_drops(set(names))
        for name in names:
            if is_finished(name) and name not in self._under_way:
                self._take(name)

    def _take(self, name: str) -> None:
        try:
            dropped = open_drop(os.path.join(self._directory, name))
        except DropError as error:
            self._set_aside(name, str(error))
            return
        except FileNotFoundError:
            return
        except OSError as error:
            self._set_aside(name, f"cannot be opened: {error.strerror}")
            return
        try:
            body, file = self._body(dropped)
        except OSError as error:
            self._owner.warn(f"cannot take in {self._directory}/{name}: {error.strerror}")
            return
        finally:
            os.close(dropped.fd)
        self._under_way.add(name)
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

    def _body(self, dropped: Dropped) -> tuple[bytes | None, str | None]:
        """Read a small body, or copy a large one to a body file, durably."""
        if dropped.body_size <= BODY_INLINE_BYTES_MAX:
            return os.pread(dropped.fd, dropped.body_size, dropped.body_at), None
        name, descriptor = self._disk.make_body()
        try:
            at, end = dropped.body_at, dropped.body_at + dropped.body_size
            while at < end:
                at += os.sendfile(descriptor, dropped.fd, at, min(COPY_BYTES, end - at))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return None, name

    def _answered(self, name: str, answer: Enqueued | Declined) -> None:
        self._under_way.discard(name)
        if isinstance(answer, Enqueued):
            # Not synced: the store knows the name, so a file that comes back is not queued twice.
            os.unlink(os.path.join(self._directory, name))

    def _set_aside(self, name: str, reason: str) -> None:
        os.rename(os.path.join(self._directory, name), os.path.join(self._aside, name))
        self._owner.warn(f"queue/drop/{name} {reason}: moved to queue/aside")
