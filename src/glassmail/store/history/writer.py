"""The history as its one writer sees it: add what came, commit at most once a second.

Always:
    - The row number of the last fact that is held stands in the same transaction as the fact, so
      that a repeat after a crash is noticed; another identity of the queue store begins anew.
    - Facts never go to an earlier day than the fact before them: days are committed from the
      oldest on, and what a crash leaves is a beginning of the facts.
    - After a failed commit nothing of it counts as held.
"""

import os
from collections.abc import Callable, Sequence

import apsw

from glassmail.core.model.system_errors import words_of
from glassmail.events.codec import AnyEvent
from glassmail.events.process import Dropped
from glassmail.store.history import days
from glassmail.store.history.day import DayFile, Position, Tail, wall_clock
from glassmail.store.history.schema import HistoryError

DIRECTORY_MODE = 0o700
SWEEP_NS = 3_600_000_000_000
OPEN_DAYS_NS = 600_000_000_000  # an earlier day's file is closed when unused for so long


class History:
    """All days, open for writing."""

    def __init__(
        self,
        directory: str,
        keep_days: int,
        clock: Callable[[], int] = wall_clock,
        keep_bytes: int = 0,
    ) -> None:
        """Open the history; raises HistoryError.

        Args:
            directory: made when missing.
            keep_days: how many days are kept, today included.
            clock: nanoseconds since 1970.
            keep_bytes: how large all files together may be, 0 for no limit; today's stays whole.
        """
        self._keep_bytes = keep_bytes
        self._directory = directory
        self._keep_days = keep_days
        self._clock = clock
        self._files: dict[int, DayFile] = {}
        self._fact_day = 0
        self._is_running = False
        self._sweep_at = 0
        self._unkept = 0  # session and process events since the last commit
        self._lost = 0  # of those, what failed commits cost
        self.pending_bytes = 0
        try:
            os.makedirs(directory, DIRECTORY_MODE, exist_ok=True)
            self._sweep()
            self._held = self._durable = self._find_position()
        except OSError as error:
            raise HistoryError(f"{directory}: {words_of(error)}") from error
        self._file(days.day_of(clock()))

    @property
    def durable(self) -> Position:
        """How far the queue's facts are on the disk."""
        return self._durable

    @property
    def settled_before(self) -> int:
        """The first day that something may still be added to: sessions' yesterday, or facts'."""
        today = days.day_of(self._clock())
        return min([today - 1, self._fact_day, *self._files])

    @property
    def tails(self) -> dict[int, Tail]:
        """What the open days hold in memory, for a search."""
        return {day: file.tail for day, file in self._files.items()}

    @property
    def is_due(self) -> bool:
        """Tell whether anything waits for a commit."""
        return any(file.is_due for file in self._files.values())

    def takes_fact(self, store: int, number: int) -> bool:
        """Tell whether a fact is new; the first one of another store begins a new count."""
        if store != self._held.store:
            if self._held != Position(0, 0):
                text = "the queue's store is another one: its facts are counted anew"
                self.add_gap(text)
            self._held = Position(store, 0)
        return number > self._held.last

    def add_fact(self, number: int, data: bytes, events: Sequence[AnyEvent]) -> None:
        """Add a batch of facts with the number that `takes_fact` approved."""
        missing = number - self._held.last - 1
        if missing > 0 and self._held.last:
            self.add_gap(f"{_counted(missing, 'batch', 'batches')} of the queue's facts never came")
        self._held = Position(self._held.store, number)
        if events:
            now = self._clock()
            oldest = days.day_of(now) - self._keep_days + 1
            day = min(max(days.day_of(events[-1].at), self._fact_day, oldest), days.day_of(now))
            self._fact_day = day
            self._file(day).add(data, events)
            self.pending_bytes += len(data)

    def add_events(self, data: bytes, events: Sequence[AnyEvent]) -> None:
        """Add session and process events. Their clock is ours: a day off is a damaged event."""
        if not events:
            return
        self._unkept += len(events)
        today = days.day_of(self._clock())
        day = days.day_of(events[-1].at)
        self._file(day if day in {today - 1, today} else today).add(data, events)
        self.pending_bytes += len(data)
        for event in events:
            if type(event) is Dropped:
                self.add_gap(f"{event.role}: {event.count} events of sessions were dropped")

    def lose(self, count: int) -> None:
        """Count session and process events that came while nothing could be written."""
        self._lost += count

    def add_gap(self, text: str) -> None:
        """Note that events are missing here."""
        now = self._clock()
        self._file(days.day_of(now)).add_gap(now, text)

    def commit(self, *, ends: bool = False) -> Position:
        """Make everything durable, oldest day first; raises HistoryError.

        Returns:
            How far the queue's facts are on the disk now.
        """
        now = self._clock()
        self.pending_bytes = 0
        today = days.day_of(now)
        if today not in self._files:
            self._file(today)
        if self._lost:
            lost = _counted(self._lost, "event", "events")
            self.add_gap(f"{lost} of sessions lost: the disk took none")
        try:
            for day in sorted(self._files):
                position = self._held if day >= self._fact_day else None
                self._files[day].commit(now, position, ends=ends)
        except HistoryError:
            self._held = self._durable
            for file in self._files.values():
                file.forget()
            self._lost += self._unkept
            self._unkept = 0
            raise
        self._durable = self._held
        self._lost = self._unkept = 0
        self._close_unused(now, today)
        if now >= self._sweep_at:
            self._sweep()
        return self._durable

    def close(self) -> None:
        """Commit and close; raises HistoryError when the last commit fails."""
        try:
            self.commit(ends=True)
        finally:
            for file in self._files.values():
                file.close()
            self._files.clear()

    def _file(self, day: int) -> DayFile:
        file = self._files.get(day)
        now = self._clock()
        if file is None:
            file = self._files[day] = self._open(days.path_of(self._directory, day), now)
            self._is_running = True
        file.used_at = now
        return file

    def _open(self, path: str, now: int) -> DayFile:
        try:
            return DayFile(path, now, continues=self._is_running)
        except HistoryError as error:
            if not error.is_damaged:
                raise
        aside = f"{path}.damaged-{now}"
        for end in ("-wal", "-shm", ""):
            try:
                os.rename(path + end, aside + end)
            except FileNotFoundError:
                continue
        file = DayFile(path, now, continues=self._is_running)
        file.add_gap(now, f"the file of this day was damaged and set aside as {aside}")
        return file

    def _close_unused(self, now: int, today: int) -> None:
        for day in [day for day in self._files if day != today]:
            if now - self._files[day].used_at > OPEN_DAYS_NS:
                file = self._files.pop(day)
                file.commit(now, None, ends=True)
                file.close()

    def _sweep(self) -> None:
        """Remove the days that are kept no longer: at midnight, and each hour for their size."""
        now = self._clock()
        today = days.day_of(now)
        self._sweep_at = min((today + 1) * days.DAY_NS, now + SWEEP_NS)
        first = today - self._keep_days + 1
        for day in [day for day in self._files if day < first]:
            self._files.pop(day).close()
        places = [self._directory, *days.imports_in(self._directory)]
        try:
            for place in places:
                days.remove_before(place, first)
            if self._keep_bytes:
                keep_from = min([today, *self._files])
                days.remove_beyond(places, self._keep_bytes, keep_from)
            for place in places[1:]:
                if not os.listdir(place):
                    os.rmdir(place)
        except OSError as error:
            raise HistoryError(f"{self._directory}: {words_of(error)}") from error

    def _find_position(self) -> Position:
        """Read the newest position from the newest day that has one."""
        for day in reversed(days.days_in(self._directory)):
            path = days.path_of(self._directory, day)
            try:
                db = apsw.Connection(path)
                try:
                    row = db.execute("SELECT store,last FROM fact ORDER BY at DESC LIMIT 1").get
                finally:
                    db.close()
            except (apsw.SQLError, apsw.CorruptError, apsw.NotADBError):
                continue  # without tables (its process died as it made it), or damaged
            except apsw.Error as error:
                raise HistoryError(f"{path}: {error}") from error
            if row is not None:
                self._fact_day = day
                return Position(*row)
        return Position(0, 0)


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
