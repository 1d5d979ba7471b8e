"""The history in the log process: when to commit, what to confirm, what to do when the disk fails.

Always:
    - Facts are confirmed to the queue only when they are durable.
    - When the history cannot be written, mail and text logs go on; facts stay in the queue's
      store, and are asked for again (by hanging up on the queue) once it can.
"""

import asyncio
from collections.abc import Callable, Sequence

from glassmail.daemons.log.limits import COMMIT_BYTES, COMMIT_S, HEARTBEAT_S, REOPEN_S
from glassmail.events import codec
from glassmail.events.codec import AnyEvent
from glassmail.store.history.day import Position, Tail
from glassmail.store.history.schema import HistoryError
from glassmail.store.history.writer import History


class Keeping:
    """The history and its rhythm."""

    def __init__(
        self,
        make_history: Callable[[], History],
        confirm: Callable[[int], None],
        ask_again: Callable[[], None],
        alert: Callable[[str], None],
        closed_before: Callable[[int], None] = lambda _day: None,
    ) -> None:  # fmt: skip
        """Open the history, or keep trying.

        Args:
            make_history: opens it; raises HistoryError.
            confirm: tells the queue up to which row its facts are durable.
            ask_again: makes the queue send again what was not confirmed.
            alert: told of each new trouble, and of its end.
            closed_before: told after each commit from which day on something may still come.
        """
        self._closed_before = closed_before
        self._make_history = make_history
        self._confirm = confirm
        self._ask_again = ask_again
        self._alert = alert
        self._history: History | None = None
        self._is_troubled = False
        self._timer: asyncio.TimerHandle | None = None
        self._is_soon = False
        self._unheld = 0
        self._open()

    @property
    def durable(self) -> Position:
        """How far the queue's facts are on the disk."""
        return self._history.durable if self._history is not None else Position(0, 0)

    def add_events(self, data: bytes, events: Sequence[AnyEvent]) -> None:
        """Keep session and process events."""
        if self._history is None or self._is_troubled:
            self._unheld += len(events)
            return
        try:
            self._history.add_events(data, events)
        except HistoryError as error:
            self._failed(error)
            return
        self._soon()

    def add_facts(
        self, store: int, rows: Sequence[tuple[int, bytes, list[AnyEvent] | None]]
    ) -> None:
        """Keep decoded facts: (row number, encoded, events; None when they were damaged)."""
        history = self._history
        if history is None or self._is_troubled:
            return  # they stay in the queue's store
        is_new = False
        try:
            for number, data, events in rows:
                if history.takes_fact(store, number):
                    is_new = True
                    if events is None:
                        history.add_gap(f"batch {number} of the queue's facts was damaged")
                    history.add_fact(number, data, events or ())
        except HistoryError as error:
            self._failed(error)
            return
        if is_new:
            self._soon()
        elif not history.is_due:
            self._confirm(history.durable.last)  # repeats after a lost confirmation

    def settle(self) -> dict[int, Tail]:
        """Commit what waits, for a search that follows; return what is only in memory."""
        if self._history is not None and self._history.is_due and not self._is_troubled:
            self._commit()
        return self._history.tails if self._history is not None else {}

    def close(self) -> None:
        """Commit and close."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        history, self._history = self._history, None
        if history is None:
            return
        try:
            history.close()
        except HistoryError as error:
            self._alert(f"the history could not be closed well: {error}")
            return
        self._confirm(history.durable.last)

    def _open(self) -> None:
        try:
            self._history = self._make_history()
        except HistoryError as error:
            self._trouble(error)
            self._again(REOPEN_S)
            return
        self._commit()

    def _soon(self) -> None:
        history = self._history
        if history is not None and history.pending_bytes >= COMMIT_BYTES:
            self._commit()
        elif not self._is_soon:
            self._is_soon = True
            self._again(COMMIT_S)

    def _again(self, pause_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._history is None:
            self._open()
        else:
            self._commit()

    def _commit(self) -> None:
        history = self._history
        if history is None:
            return
        self._is_soon = False
        if self._unheld:
            count, self._unheld = self._unheld, 0
            history.lose(count)
        try:
            position = history.commit()
        except HistoryError as error:
            self._failed(error)
            return
        if self._is_troubled:
            self._is_troubled = False
            self._alert("the history can be written again")
            self._ask_again()
        elif position.last:
            self._confirm(position.last)
        self._closed_before(history.settled_before)
        self._again(HEARTBEAT_S)

    def _failed(self, error: HistoryError) -> None:
        self._trouble(error)
        self._again(COMMIT_S)

    def _trouble(self, error: HistoryError) -> None:
        if not self._is_troubled:
            self._is_troubled = True
            self._alert(f"the history cannot be written: {error}: mail goes on without it")


def decode(data: bytes) -> list[AnyEvent] | None:
    """Decode a batch; None when it is none."""
    try:
        return codec.decode(data)
    except ValueError:  # msgspec's errors are ValueErrors
        return None
