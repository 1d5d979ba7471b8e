"""Room on the queue's disk: when nothing is taken in, and when it goes on.

Always:
    - Below `queueminfree` free bytes nothing is taken in; deliveries go on, they make room.
    - When a commit found the disk full, nothing is started either until there is room.
    - While mail is declined somebody looks every SPACE_CHECK_S, whatever else happens.
"""

import asyncio
import time
from typing import Protocol

from glassmail.daemons.queue.intake import Intake
from glassmail.daemons.queue.limits import SPACE_CHECK_S
from glassmail.store.control import Snapshot
from glassmail.store.queue.disk import RESERVE_BYTES, QueueDisk


class Owner(Protocol):
    """What the queue process does for the watch."""

    settings: Snapshot

    @property
    def is_ending(self) -> bool:
        """Whether the process is about to end."""

    def schedule(self) -> None:
        """Commit soon."""

    def alert(self, text: str) -> None:
        """Tell an alert."""

    def warn(self, text: str) -> None:
        """Tell a warning."""


class Space:
    """The watch over the queue's disk.

    Attributes:
        is_out: whether a commit found the disk full.
    """

    def __init__(self, disk: QueueDisk, intake: Intake, owner: Owner) -> None:
        self._disk = disk
        self._intake = intake
        self._owner = owner
        self._checked_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.is_out = False

    def check(self, least: int) -> None:
        """Decline mail when less than `least` bytes are free; looks once a second at most."""
        now = time.monotonic()
        if self._intake.is_full or now - self._checked_at < SPACE_CHECK_S:
            return
        self._checked_at = now
        if self._disk.free_bytes() < least:
            self._intake.is_full = True
            self._owner.alert(
                f"less than queueminfree ({least} bytes) is free on the queue's disk: no mail is "
                "taken until there is room"
            )
            self.watch()

    def watch(self) -> None:
        """Look again after SPACE_CHECK_S, until there is room."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SPACE_CHECK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._owner.is_ending:
            return
        wanted = self._owner.settings.integer("queueminfree")
        if not self._disk.has_reserve():
            wanted += RESERVE_BYTES
        if self._disk.free_bytes() >= wanted and self._disk.make_reserve():
            self._intake.is_full = self.is_out = False
            self._owner.warn("there is room on the queue's disk again: mail is taken")
        else:
            self.watch()
        self._owner.schedule()
