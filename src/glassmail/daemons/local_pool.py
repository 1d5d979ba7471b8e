"""The workers: one for each user and group, at most WORKERS_MAX, ended when idle.

Always:
    - A worker is ended only when it has nothing to do, the one idle longest first.
    - When all are busy, the oldest gets no more work as soon as somebody else waits: it runs dry
      and makes room, so nobody waits for ever.
"""

import os
import socket
from collections import deque
from collections.abc import Callable

import msgspec

from glassmail.daemons.local_limits import WORKER_IDLE_S, WORKERS_MAX, WORKS_BYTES_MAX
from glassmail.daemons.local_messages import (
    Assignment,
    Died,
    Fork,
    FromWorker,
    TermsNow,
    ToWorker,
    Work,
    Works,
    died_decoder,
    from_worker,
)
from glassmail.net.channel import Channel
from glassmail.net.messages import encode

Key = tuple[int, int]  # uid, gid


class WorkerHandle:
    """One worker, as the starter sees it.

    Attributes:
        token: its number; never used twice.
        key: its uid and gid.
        tasks: what it was given and has not finished.
        idle_since: time when it finished its last task.
        is_draining: whether it gets no more work.
    """

    def __init__(self, token: int, key: Key, now: float) -> None:
        self.token = token
        self.key = key
        self.tasks: set[int] = set()
        self.idle_since = now
        self.is_draining = False
        self.channel: Channel | None = None
        self._works: list[Work] = []
        self._bytes = 0

    def give(self, work: Work, descriptor: int) -> None:
        """Hand work over; it goes out with the next `flush`. The descriptor is closed here."""
        self.tasks.update(given.task for given in work.assignments)
        if descriptor >= 0:
            self.flush()
            self.send(Works((work,)), (descriptor,))
            os.close(descriptor)
            return
        size = len(work.head) + len(work.body or b"") + sum(map(_size, work.assignments))
        if self._works and self._bytes + size > WORKS_BYTES_MAX:
            self.flush()
        self._works.append(work)
        self._bytes += size

    def flush(self) -> None:
        """Send what was given."""
        if self._works:
            works, self._works, self._bytes = tuple(self._works), [], 0
            self.send(Works(works))

    def send(self, message: ToWorker, descriptors: tuple[int, ...] = ()) -> None:
        """Send one message."""
        if self.channel is not None:
            self.channel.send(encode(message), descriptors)


class Pool:
    """All workers, and work that waits for one."""

    def __init__(
        self,
        forker: socket.socket,
        on_message: Callable[[WorkerHandle, FromWorker, tuple[int, ...]], None],
        on_gone: Callable[[WorkerHandle, str], None],
        on_death: Callable[[Key, Died], None],
        on_forker_gone: Callable[[], None],
    ) -> None:
        """Make it; needs the running loop.

        Args:
            forker: the connection to the forker (local_forker.start).
            on_message: a worker said something.
            on_gone: a worker's connection ended; its tasks are still in the handle.
            on_death: the forker tells how a worker ended.
            on_forker_gone: no worker can be started any more.
        """
        self._on_message = on_message
        self._on_gone = on_gone
        self._on_death = on_death
        self._handles: dict[Key, WorkerHandle] = {}
        self._keys: dict[int, Key] = {}  # of tokens whose end the forker has not told
        self._token = 0
        self._waiting: dict[Key, deque[tuple[Work, int]]] = {}
        self._terms: TermsNow | None = None
        self._forker = Channel(forker, self._from_forker, lambda _reason: on_forker_gone())

    @property
    def handles(self) -> list[WorkerHandle]:
        """The workers there are."""
        return list(self._handles.values())

    def set_terms(self, terms: TermsNow) -> None:
        """Tell all workers, and later ones first of all, the rules from now on."""
        if terms == self._terms:
            return
        self._terms = terms
        for handle in self._handles.values():
            handle.send(terms)

    def give(self, key: Key, work: Work, descriptor: int, now: float) -> None:
        """Give work to the worker of this user and group, or keep it until there is room."""
        handle = self._handles.get(key)
        if key not in self._waiting and (handle is None or not handle.is_draining):
            handle = handle or self._start(key, now)
            if handle is not None:
                handle.give(work, descriptor)
                return
        self._waiting.setdefault(key, deque()).append((work, descriptor))
        self._drain_one()

    def flush(self) -> None:
        """Send all that was given."""
        for handle in self._handles.values():
            handle.flush()

    def finished(self, handle: WorkerHandle, now: float) -> None:
        """Look whether a worker has run dry; give its place to whoever waits."""
        if handle.tasks:
            return
        handle.idle_since = now
        if handle.is_draining or self._waiting:
            self._end(handle)
            self._serve_waiting(now)

    def end_idle(self, now: float) -> None:
        """End the workers that have had nothing to do for long."""
        for handle in list(self._handles.values()):
            if not handle.tasks and now - handle.idle_since >= WORKER_IDLE_S:
                self._end(handle)

    def drop_waiting(self) -> set[int]:
        """Forget work that no worker has got; return its tasks."""
        tasks: set[int] = set()
        for queue in self._waiting.values():
            for work, descriptor in queue:
                tasks.update(given.task for given in work.assignments)
                if descriptor >= 0:
                    os.close(descriptor)
        self._waiting.clear()
        return tasks

    def close(self) -> None:
        """Hang up on all workers and on the forker."""
        for handle in list(self._handles.values()):
            self._end(handle)
        self._forker.close()

    def _start(self, key: Key, now: float) -> WorkerHandle | None:
        if len(self._handles) >= WORKERS_MAX:
            idle = [handle for handle in self._handles.values() if not handle.tasks]
            if not idle:
                return None
            self._end(min(idle, key=lambda each: each.idle_since))
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._token += 1
        handle = WorkerHandle(self._token, key, now)
        with its:
            self._forker.send(encode(Fork(handle.token, *key)), (its.fileno(),))
        handle.channel = Channel(
            ours,
            lambda payload, descriptors: self._heard(handle, payload, descriptors),
            lambda reason: self._gone(handle, reason),
        )
        self._handles[key] = handle
        self._keys[handle.token] = key
        if self._terms is not None:
            handle.send(self._terms)
        return handle

    def _end(self, handle: WorkerHandle) -> None:
        if self._handles.get(handle.key) is handle:
            del self._handles[handle.key]
        if handle.channel is not None:
            handle.channel.close()

    def _drain_one(self) -> None:
        if any(handle.is_draining for handle in self._handles.values()):
            return
        others = [h for h in self._handles.values() if h.key not in self._waiting]
        if others:
            min(others, key=lambda each: each.token).is_draining = True

    def _serve_waiting(self, now: float) -> None:
        for key in list(self._waiting):
            if key in self._handles:
                continue
            handle = self._start(key, now)
            if handle is None:
                break
            for work, descriptor in self._waiting.pop(key):
                handle.give(work, descriptor)
            handle.flush()
        if self._waiting:
            self._drain_one()

    def _heard(self, handle: WorkerHandle, payload: bytes, descriptors: tuple[int, ...]) -> None:
        try:
            message = from_worker.decode(payload)
        except msgspec.MsgspecError as error:
            for number in descriptors:
                os.close(number)
            assert handle.channel is not None
            handle.channel.close(f"not a message of ours: {error}")
            return
        self._on_message(handle, message, descriptors)

    def _gone(self, handle: WorkerHandle, reason: str) -> None:
        if self._handles.get(handle.key) is handle:
            del self._handles[handle.key]
        self._on_gone(handle, reason)

    def _from_forker(self, payload: bytes, descriptors: tuple[int, ...]) -> None:
        for number in descriptors:
            os.close(number)
        died = died_decoder.decode(payload)
        self._on_death(self._keys.pop(died.token, (-1, -1)), died)


def _size(given: Assignment) -> int:
    """Estimate what a recipient takes in a frame."""
    texts = (given.key, given.local, given.host, given.name, given.home, given.dash, given.ext)
    return 64 + sum(map(len, texts))
