"""The deliveries that the starter has taken and not settled, and the results on their way.

Always:
    - A task's number is never used twice, whatever the queue's numbers do.
    - A result belongs to the connection to the queue that brought its job; when that one is gone,
      the result is dropped: the queue hands the job out again, and counts deliveries anew.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from glassmail.core.model.limits import REPORT_BYTES_MAX
from glassmail.core.model.outcome import Report
from glassmail.core.model.trail import Trail
from glassmail.daemons.local_limits import RESULTS_MAX
from glassmail.daemons.local_messages import Done
from glassmail.net.messages import Result, Settle
from glassmail.store.maildir import TEMPORARY


class _Open:
    __slots__ = ("connection", "delivery", "steps")

    def __init__(self, delivery: int, connection: int, steps: Trail) -> None:
        self.delivery = delivery
        self.connection = connection
        self.steps = steps


class Ledger:
    """What is open, by task."""

    def __init__(self, send: Callable[[Settle], bool]) -> None:
        """Make it empty; `send` takes results to the queue."""
        self._send = send
        self._open: dict[int, _Open] = {}
        self._task = 0
        self._connection = 0
        self._results: list[Result] = []

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is open."""
        return not self._open

    def take(self, delivery: int, steps: Trail) -> int:
        """Open a delivery; return its task number.

        Args:
            delivery: the queue's number.
            steps: what is known of the way so far; the result's trail begins with it.
        """
        self._task += 1
        self._open[self._task] = _Open(delivery, self._connection, steps)
        return self._task

    def refuse(self, delivery: int, report: Report) -> None:
        """Settle a delivery that was never opened."""
        self._add(Result(delivery, report.outcome.value, report.text, report.steps))

    def is_wanted(self, task: int) -> bool:
        """Tell whether anybody still waits for this task's result."""
        opened = self._open.get(task)
        return opened is not None and opened.connection == self._connection

    def close(self, dones: Sequence[Done], is_durable: bool) -> None:
        """Settle deliveries that have ended.

        Args:
            dones: how they ended.
            is_durable: whether their moves in Maildirs are. If not, what was moved is in new/,
                but may be lost with the power: it is tried again, found there by its name,
                and synced before it is believed.
        """
        for done in dones:
            opened = self._open.pop(done.task)
            if opened.connection != self._connection:
                continue
            letter, text = done.letter, done.text[:REPORT_BYTES_MAX]
            if letter == "K" and not is_durable:
                letter, text = "Z", TEMPORARY
            self._add(Result(opened.delivery, letter, text, opened.steps + done.steps))

    def break_off(self, tasks: Iterable[int], text: bytes) -> int:
        """Defer tasks whose worker is gone; return how many somebody waits for."""
        count = 0
        for task in tasks:
            opened = self._open.pop(task)
            if opened.connection == self._connection:
                self._add(Result(opened.delivery, "Z", text, opened.steps))
                count += 1
        return count

    def queue_gone(self, kept: Callable[[int], bool]) -> None:
        """The connection is gone: drop results, and tasks that nobody is working on."""
        self._connection += 1
        self._results.clear()
        self._open = {task: opened for task, opened in self._open.items() if kept(task)}

    def flush(self) -> None:
        """Send what has been settled."""
        results, self._results = self._results, []
        for at in range(0, len(results), RESULTS_MAX):
            self._send(Settle(tuple(results[at : at + RESULTS_MAX])))

    def _add(self, result: Result) -> None:
        if not self._results:  # what ends in the same turn of the loop shares a frame
            asyncio.get_running_loop().call_soon(self.flush)
        self._results.append(result)
