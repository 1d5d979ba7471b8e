"""Places for programs: how many deliveries may run programs at once, in the order they asked."""

from collections.abc import Callable

from glassmail.daemons.local_messages import MayRun
from glassmail.daemons.local_pool import WorkerHandle


class Places:
    """Who runs a program, and who waits to."""

    def __init__(self, most: Callable[[], int]) -> None:
        """Make it empty; `most` tells control/maxprograms of now."""
        self._most = most
        self._running: set[int] = set()
        self._waiting: dict[int, WorkerHandle] = {}

    def want(self, task: int, handle: WorkerHandle) -> None:
        """A task asks for a place; its worker is told when it has one."""
        self._waiting[task] = handle
        self._serve()

    def leave(self, task: int) -> None:
        """A task has ended, or its worker; it need not have had a place."""
        self._waiting.pop(task, None)
        if task in self._running:
            self._running.discard(task)
            self._serve()

    def refuse_waiting(self, text: bytes) -> None:
        """Refuse everybody who waits; deliveries then end with this text."""
        waiting, self._waiting = self._waiting, {}
        for task, handle in waiting.items():
            handle.send(MayRun(task, text))

    def _serve(self) -> None:
        most = self._most()
        while self._waiting and len(self._running) < most:
            task = next(iter(self._waiting))
            handle = self._waiting.pop(task)
            self._running.add(task)
            handle.send(MayRun(task))
