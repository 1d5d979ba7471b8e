"""The body of a message on its way in: in memory while it is short, in a queue's file beyond.

Purpose:
    `add` takes pieces as they come. Up to BODY_INLINE_BYTES_MAX they stay in memory and travel
    inside Enqueue. A longer body goes to a file that the queue opened: a Task asks for it and
    writes in a thread, since a busy disk may hold a writer up for seconds.

Always:
    - Memory is bounded: `is_full` says when the client must not be read from for now, and
      on_room when it may again.
    - The file is synced before it is handed in; a failed write or sync is final.
    - The descriptor is closed by the Task while it runs, by nobody else: a number that is
      closed under a writing thread may already be somebody's socket.
"""

import asyncio
import os
from collections.abc import Callable, Sequence

from glassmail.core.model.limits import BODY_INLINE_BYTES_MAX
from glassmail.core.model.reply import Reply
from glassmail.core.protocol import replies
from glassmail.net.messages import Declined
from glassmail.net.queue_client import QueueClient
from glassmail.stations.limits import SPILL_HELD_BYTES_MAX


class Body:
    """One body.

    Attributes:
        size: bytes added.
        file: what the queue calls the file; 0 while the body is in memory.
        failure: why it cannot be kept; pieces are thrown away from then on.
    """

    __slots__ = (
        "_chunks",
        "_descriptor",
        "_held",
        "_is_dropped",
        "_on_room",
        "_queue",
        "_task",
        "failure",
        "file",
        "size",
    )

    def __init__(self, queue: QueueClient, on_room: Callable[[], None]) -> None:
        """Begin an empty body.

        Args:
            queue: where files for long bodies come from.
            on_room: called each time a file has taken what waited for it.
        """
        self._queue = queue
        self._on_room = on_room
        self._chunks: list[bytes] = []
        self._held = 0
        self._descriptor = -1
        self._is_dropped = False
        self._task: asyncio.Task[None] | None = None
        self.size = 0
        self.file = 0
        self.failure: Reply | None = None

    @property
    def is_long(self) -> bool:
        """Tell whether the body goes to a file."""
        return self.size > BODY_INLINE_BYTES_MAX

    @property
    def is_full(self) -> bool:
        """Tell whether no more should be added before on_room."""
        return self._held > SPILL_HELD_BYTES_MAX

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        self.size += len(data)
        if self.failure is not None:
            return
        self._chunks.append(data)
        self._held += len(data)
        if self.size > BODY_INLINE_BYTES_MAX and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._spill())

    def inline(self) -> bytes:
        """Return a short body."""
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def complete(self) -> Reply | None:
        """Bring a long body to the disk; return why that failed, None when it is there."""
        while self._task is not None:
            await asyncio.wait([self._task])
        if self.failure is None:
            # The write Task is over: nobody else uses or closes the descriptor now.
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._sync())
            await asyncio.wait([self._task])
        return self.failure

    def hand_over(self) -> int:
        """Leave a complete file to the queue: close our descriptor, return the file's number."""
        self._close()
        file, self.file = self.file, 0
        return file

    @property
    def content(self) -> bytes | int:
        """A complete body: its bytes, or the descriptor of the file that holds it."""
        return self._descriptor if self.file else self.inline()

    def drop(self) -> None:
        """Forget the body; a file is taken back as soon as nobody writes to it."""
        self._is_dropped = True
        self._chunks.clear()
        self._held = 0
        if self._task is None:
            self._close()

    async def _spill(self) -> None:
        try:
            await self._open_and_write()
        except OSError as error:
            self._fail(_write_failure(error))
        finally:
            self._done()

    async def _open_and_write(self) -> None:
        if self._descriptor < 0:
            opened = await self._queue.open_body()
            if isinstance(opened, Declined):
                self._fail(replies.declined(opened.letter == "D", opened.exit_code, opened.text))
                return
            self.file, self._descriptor = opened
        loop = asyncio.get_running_loop()
        while self._chunks and not self._is_dropped:
            chunks, self._chunks = self._chunks, []
            await loop.run_in_executor(None, _write, self._descriptor, chunks)
            self._held -= sum(map(len, chunks))
            if not self._is_dropped:
                self._on_room()

    async def _sync(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, os.fsync, self._descriptor)
        except OSError as error:
            # A later fsync of the same descriptor may succeed without the data: never retry.
            self._fail(_write_failure(error))
        finally:
            self._done()

    def _done(self) -> None:
        self._task = None
        if self._is_dropped:
            self._close()

    def _fail(self, reply: Reply) -> None:
        self.failure = reply
        self._chunks.clear()
        self._held = 0
        if not self._is_dropped:
            self._on_room()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._is_dropped and self.file:
            self._queue.take_back(self.file)
            self.file = 0


def _write(descriptor: int, chunks: Sequence[bytes]) -> None:
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            view = view[os.write(descriptor, view) :]


def _write_failure(_error: OSError) -> Reply:
    # qmail-queue.c: whatever keeps it from writing is exit 53.
    return replies.QUEUE_FULL
