"""Closed days are written anew in a thread of their own: neither events nor questions wait."""

import threading
from collections.abc import Callable

from glassmail.store.history.compact import compact_days
from glassmail.store.history.schema import HistoryError


class Compacting:
    """Compacts what is closed, once for each day that passes."""

    def __init__(self, directory: str, alert: Callable[[str], None]) -> None:
        """Take the history's directory, and whom to tell of troubles (in the loop's thread)."""
        self._directory = directory
        self._alert = alert
        self._before = 0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._trouble = ""

    def closed_before(self, day: int) -> None:
        """Be told that nothing is added to the days before one."""
        if self._trouble:
            text, self._trouble = self._trouble, ""
            self._alert(text)
        is_running = self._thread is not None and self._thread.is_alive()
        if day <= self._before or is_running or self._stop.is_set():
            return
        self._before = day
        self._thread = threading.Thread(target=self._run, args=(day,), name="compact")
        self._thread.start()

    def stop(self) -> None:
        """End within a record; what was begun is done again another time."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, day: int) -> None:
        try:
            compact_days(self._directory, day, self._stop.is_set)
        except (HistoryError, OSError) as error:
            self._trouble = f"a closed day of the history could not be written anew: {error}"
