"""A text log that may not be there yet: its lines wait until the directory can be opened.

A log directory with another owner, or on a disk that is not mounted or full, is no reason to run
without mail: what would be logged waits in memory, bounded, and the directory is tried again. One
that another process writes to is a reason not to start: that is a log process of this site, which
writes the history, too.
"""

from collections.abc import Callable

from glassmail.core.model.system_errors import words_of
from glassmail.store.multilog import LogBusyError, LogDirectory
from glassmail.store.waiting_lines import WaitingLines


class TextFile:
    """One text log."""

    def __init__(self, path: str, open_log: Callable[[], LogDirectory]) -> None:
        """Try to open it.

        Args:
            path: the directory, for what is told of it.
            open_log: opens it; raises OSError or LogBusyError.

        Raises:
            LogBusyError: another process writes to it already.
        """
        self.path = path
        self._open_log = open_log
        self._waiting = WaitingLines()
        self._log: LogDirectory | None = None
        self._trouble = ""
        self._first = True
        self._open()
        self._first = False

    @property
    def trouble(self) -> str:
        """Why it cannot be written; empty when it can."""
        if self._log is None or self._log.trouble is None:
            return self._trouble
        return words_of(self._log.trouble)

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
                self._log = self._open_log()
            except OSError as error:
                self._trouble = words_of(error)
                return False
            except LogBusyError as error:
                if self._first:
                    raise
                self._trouble = str(error)
                return False
            self._log.take_over(self._waiting)
            self._trouble = ""
        return True
