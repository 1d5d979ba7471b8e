"""The text logs of the log process: lines gathered for 20 ms, one write per log and round."""

import asyncio
import os
from collections.abc import Callable, Sequence

from glassmail.daemons.log.limits import TEXT_FLUSH_S, TEXT_RETRY_S
from glassmail.events.event import Event
from glassmail.events.text_log import LOGS, TextLog
from glassmail.store.multilog import LogDirectory


class Texts:
    """All text logs."""

    def __init__(
        self,
        directory: str,
        size: int,
        files: int,
        aside: Callable[[Callable[[], None]], object],
        alert: Callable[[str], None],
    ) -> None:
        """Open the logs; raises OSError or LogBusyError.

        Args:
            directory: place.log.
            size: of a file before it is rotated.
            files: how many are kept.
            aside: runs what may wait for the disk.
            alert: told of each new trouble.
        """
        self._alert = alert
        self._renderer = TextLog()
        self._logs = {
            name: LogDirectory(os.path.join(directory, name), size, files, aside=aside)
            for name in LOGS
        }
        self._lines: dict[str, list[bytes]] = {name: [] for name in LOGS}
        self._troubled: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, events: Sequence[Event]) -> None:
        """Log events; their lines are in the files within 20 ms."""
        self._renderer.render(events, self._lines)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TEXT_FLUSH_S, self._tick)

    def close(self) -> None:
        """Write what waits and close the files safely."""
        if self._timer is not None:
            self._timer.cancel()
        self._hand_over()
        for log in self._logs.values():
            log.close()

    def _tick(self) -> None:
        self._timer = None
        self._hand_over()
        troubled = {name for name, log in self._logs.items() if not log.flush()}
        fresh, self._troubled = troubled - self._troubled, troubled
        if troubled:
            self._timer = asyncio.get_running_loop().call_later(TEXT_RETRY_S, self._tick)
        for name in fresh:
            log = self._logs[name]
            self._alert(f"{log.path} cannot be written: {log.trouble}: lines wait in memory")

    def _hand_over(self) -> None:
        for name, lines in self._lines.items():
            if lines:
                self._logs[name].write(lines)
                self._lines[name] = []
