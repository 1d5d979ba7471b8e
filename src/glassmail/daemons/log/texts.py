"""The text logs of the log process: lines gathered for 20 ms, one write per log and round."""

import asyncio
import os
from collections.abc import Callable, Sequence

from glassmail.core.formats.log_outlets import FILES
from glassmail.daemons.log.limits import TEXT_FLUSH_S, TEXT_RETRY_S
from glassmail.daemons.log.outlets import Outlets
from glassmail.daemons.log.settings import TextSettings
from glassmail.daemons.log.text_file import TextFile
from glassmail.events.event import Event
from glassmail.events.records import NONE, Records
from glassmail.events.stamps import stamp_of
from glassmail.events.text_log import LOGS, RECORDS, SERVE, TextLog, is_news
from glassmail.store.multilog import LogDirectory


class Texts:
    """All text logs. News of the processes is always in a file too: troubles must be told."""

    def __init__(
        self,
        directory: str,
        settings: TextSettings,
        aside: Callable[[Callable[[], None]], object],
        alert: Callable[[str], None],
    ) -> None:
        """Open the logs; one that cannot be opened is tried again. Raises LogBusyError.

        Args:
            directory: place.log.
            settings: how they are written.
            aside: runs what may wait for the disk.
            alert: told of each new trouble.
        """
        self._alert = alert
        self._renderer = TextLog(stamp_of(settings.stamp))
        self._records = Records(settings.records) if settings.records != NONE else None
        self._outlets = Outlets(settings.outlets, alert)
        self._has_files = any(outlet.kind == FILES for outlet in settings.outlets)
        names = [*(LOGS if self._has_files else (SERVE,)), *([RECORDS] if self._records else [])]
        self._aside = aside
        self._logs = {
            name: self._file(os.path.join(directory, name), settings, name) for name in names
        }
        self._lines: dict[str, list[bytes]] = {name: [] for name in (*LOGS, RECORDS)}
        self._troubled: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def _file(self, path: str, settings: TextSettings, name: str) -> TextFile:
        def open_log() -> LogDirectory:
            return LogDirectory(
                path, settings.size, settings.files, aside=self._aside,
                processor=settings.processors.get(name, b""),
            )  # fmt: skip

        return TextFile(path, open_log)

    def begin(self) -> list[str]:
        """Return what is wrong already, and go on trying; to be called in the loop."""
        if any(log.trouble for log in self._logs.values()):
            self._tick()
        return [self._cannot(name) for name in self._troubled]

    def add(self, events: Sequence[Event]) -> None:
        """Log events; their lines are in the files within 20 ms."""
        filed = events if self._has_files else [event for event in events if is_news(event)]
        self._renderer.render(filed, self._lines)
        if self._records is not None:
            self._lines[RECORDS] += filter(None, map(self._records.line, events))
        if self._outlets:
            self._outlets.add(events)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TEXT_FLUSH_S, self._tick)

    def close(self) -> None:
        """Write what waits and close the files safely."""
        if self._timer is not None:
            self._timer.cancel()
        self._hand_over()
        for log in self._logs.values():
            log.close()
        self._outlets.close()

    def _tick(self) -> None:
        self._timer = None
        self._hand_over()
        troubled = {name for name, log in self._logs.items() if not log.flush()}
        before, self._troubled = self._troubled, troubled
        for name in troubled - before:
            self._alert(self._cannot(name))
        for name in before - troubled:
            self._alert(f"{self._logs[name].path} can be written again")
        for log in self._logs.values():
            for text in log.processor_troubles():
                self._alert(text)
        if troubled and self._timer is None:  # else an alert of these waits for its own tick
            self._timer = asyncio.get_running_loop().call_later(TEXT_RETRY_S, self._tick)

    def _cannot(self, name: str) -> str:
        log = self._logs[name]
        return f"{log.path} cannot be written: {log.trouble}: lines wait in memory"

    def _hand_over(self) -> None:
        for name, lines in self._lines.items():
            if lines:
                self._lines[name] = []
                if name in self._logs:  # else there is no file for it
                    self._logs[name].write(lines)
