"""A text log that may not be there yet: its lines wait until the directory can be opened.

A log directory with another owner, on a disk that is not mounted or full, or one that another
multilog writes to is no reason to run without mail: what would be logged waits in memory, bounded,
and the directory is tried again.
"""

from collections.abc import Callable

from glassmail.store.multilog import LogBusyError, LogDirectory
from glassmail.store.waiting_lines import WaitingLines


class TextFile:
    """One text log."""

    def __init__(self, path: str, open_log: Callable[[WaitingLines], LogDirectory]) -> None:
        """Try to open it.

        Args:
            path: the directory, for what is told of it.
            open_log: opens it with the lines that wait; raises OSError or LogBusyError.
        """
        self.path = path
        self._open_log = open_log
        self._waiting = WaitingLines()
        self._log: LogDirectory | None = None
        self._trouble = ""
        self._open()

    @property
    def trouble(self) -> str:
        """Why it cannot be written; empty when it can."""
        if self._log is None or self._log.trouble is None:
            return self._trouble
        return self._log.trouble.strerror or str(self._log.trouble)

    def write(self, lines: list[bytes]) -> None:
        """Add chunks of whole lines; they reach the file with the next flush."""
        self._waiting.add(lines)

    def flush(self) -> bool:
        """Write what waits; False when not all of it could be written."""
        return self._open() and self._log is not None and self._log.flush()

    def processor_troubles(self) -> list[str]:
        """Return what is new of its processor."""
        found = self._log.processor_troubles if self._log is not None else []
        return [found.pop(0) for _ in range(len(found))]

    def close(self) -> None:
        """Write what waits and close safely."""
        if self._open() and self._log is not None:
            self._log.close()

    def _open(self) -> bool:
        if self._log is None:
            try:
                self._log = self._open_log(self._waiting)
            except (OSError, LogBusyError) as error:
                self._trouble = getattr(error, "strerror", "") or str(error)
                return False
            self._trouble = ""
        return True
