"""The queue as a session sees it: hand a message in, get a file for a long one, take trace codes.

Always:
    - Every Enqueue is answered exactly once: by the queue, or by a Declined of our own when the
      connection breaks or the answer does not come in time. Then the queue may have the
      message all the same; the client will send it again, and a duplicate is no loss.
    - Numbers of trace codes come in blocks; the next block is asked for when half of one is
      left. While the queue is away the rest of the block is still good.
    - A descriptor that arrives for somebody who has gone is closed, and the file taken back.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from glassmail.core.model.code import BLOCK
from glassmail.net.limits import QUEUE_ANSWER_S_MAX
from glassmail.net.link import Link
from glassmail.net.messages import (
    BodyOpened,
    Codes,
    Declined,
    Enqueue,
    Enqueued,
    Message,
    OpenBody,
    TakeCodes,
)

FromQueue = Codes | BodyOpened | Enqueued | Declined
Answer = Enqueued | Declined
DOWN_TEXT = b"qqt failure (#4.3.0)"  # qmail-smtpd.c: qmail-queue could not be started
_DOWN_EXIT = 74  # qmail.c: communication with mail server failed


class OpenedBody(NamedTuple):
    """A file for a long body: what Enqueue calls it, and where to write."""

    file: int
    descriptor: int


class QueueClient:
    """A process's connection to the queue."""

    def __init__(self, path: str, role: str, *, takes_codes: bool = True) -> None:
        """Make a client that is down until `start`.

        Args:
            path: the queue's socket.
            role: what the process is: smtpd, or client.
            takes_codes: whether it wants trace codes; only smtpd gets them.
        """
        self._takes_codes = takes_codes
        self._link: Link[FromQueue] = Link(
            path, role, msgspec.msgpack.Decoder(FromQueue), self._message
        )
        self._link.on_up = self._up
        self._link.on_down = self._down
        self._ref = 0
        self._waiting: dict[int, tuple[Callable[[Answer], None], float]] = {}
        self._opening: dict[int, asyncio.Future[OpenedBody | Declined]] = {}
        self._loop = asyncio.get_running_loop()
        self._next_code = 0
        self._codes_left = 0
        self._blocks: deque[Codes] = deque()
        self._has_asked = False
        self._first_codes: asyncio.Future[None] = self._loop.create_future()

    @property
    def is_up(self) -> bool:
        """Tell whether the queue can be spoken to now."""
        return self._link.is_up

    def start(self) -> None:
        """Connect, or keep trying in the background."""
        self._link.start()

    def close(self) -> None:
        """Hang up; whoever waits is declined."""
        self._link.close()

    async def wait_for_codes(self, timeout_s: float) -> None:
        """Wait until the queue has given trace codes, but no longer than timeout_s."""
        if not self._codes_left and not self._blocks:
            await asyncio.wait([self._first_codes], timeout=timeout_s)

    # --- trace codes ---------------------------------------------------------------------------

    def take_code(self) -> int:
        """Return a number for a session; 0 when there is none."""
        if self._codes_left <= BLOCK // 2 and not self._blocks:
            self._ask_for_codes()
        if not self._codes_left:
            if not self._blocks:
                return 0
            block = self._blocks.popleft()
            self._next_code, self._codes_left = block.first, block.count
        number = self._next_code
        self._next_code += 1
        self._codes_left -= 1
        return number

    def _ask_for_codes(self) -> None:
        if not self._has_asked and self._takes_codes:
            self._has_asked = self._link.send(TakeCodes())

    # --- messages ------------------------------------------------------------------------------

    def next_ref(self) -> int:
        """Return a number that ties an answer to its question."""
        self._ref += 1
        return self._ref

    def enqueue(self, message: Enqueue, on_answer: Callable[[Answer], None]) -> None:
        """Hand a message in; on_answer is called once, perhaps before this returns.

        Args:
            message: its ref comes from `next_ref`.
            on_answer: gets Enqueued once the message is durable, else Declined.
        """
        ref = message.ref
        self._waiting[ref] = (on_answer, self._loop.time() + QUEUE_ANSWER_S_MAX)
        if not self._link.send(message) and self._waiting.pop(ref, None) is not None:
            on_answer(_down(ref))

    async def open_body(self) -> OpenedBody | Declined:
        """Ask for a file for a long body; the descriptor is the caller's to close."""
        ref = self.next_ref()
        future: asyncio.Future[OpenedBody | Declined] = self._loop.create_future()
        self._opening[ref] = future
        timer = self._loop.call_later(QUEUE_ANSWER_S_MAX, self._decline_opening, ref)
        try:
            if not self._link.send(OpenBody(ref)):
                return _down(ref)
            return await future
        finally:
            timer.cancel()
            self._opening.pop(ref, None)

    def take_back(self, file: int) -> None:
        """Tell the queue that a file it opened will not be used."""
        # A size that cannot be right makes the queue remove the file and decline.
        nothing = Enqueue(self.next_ref(), b"", (), b"", None, file, -1, 0, 0, b"", "network")
        self._link.send(nothing)

    def expire(self) -> None:
        """Decline for those whose answer does not come; to be called now and then."""
        now = self._loop.time()
        late = [ref for ref, (_call, deadline) in self._waiting.items() if deadline < now]
        for ref in late:
            self._answer(_down(ref))

    # --- what the queue says -------------------------------------------------------------------

    def _up(self) -> None:
        self._has_asked = False
        if self._codes_left <= BLOCK // 2 and not self._blocks:
            self._ask_for_codes()

    def _down(self, _reason: str) -> None:
        self._has_asked = False
        for ref in list(self._waiting):
            self._answer(_down(ref))
        for ref in list(self._opening):
            self._decline_opening(ref)

    def _message(self, message: Message, descriptors: tuple[int, ...]) -> None:
        if isinstance(message, Enqueued):
            self._answer(message)
        elif isinstance(message, Declined):
            if message.ref in self._opening:
                self._decline_opening(message.ref, message)
            else:
                self._answer(message)
        elif isinstance(message, Codes):
            self._has_asked = False
            self._blocks.append(message)
            if not self._first_codes.done():
                self._first_codes.set_result(None)
        elif isinstance(message, BodyOpened):
            descriptors = self._opened(message, descriptors)
        for number in descriptors:
            os.close(number)

    def _answer(self, answer: Answer) -> None:
        waiting = self._waiting.pop(answer.ref, None)
        if waiting is not None:
            waiting[0](answer)

    def _opened(self, message: BodyOpened, descriptors: tuple[int, ...]) -> tuple[int, ...]:
        """Give a file to whoever asked; return the descriptors that nobody took."""
        future = self._opening.pop(message.ref, None)
        if future is None or future.done() or not descriptors:
            self.take_back(message.file)
            return descriptors
        future.set_result(OpenedBody(message.file, descriptors[0]))
        return descriptors[1:]

    def _decline_opening(self, ref: int, answer: Declined | None = None) -> None:
        future = self._opening.pop(ref, None)
        if future is not None and not future.done():
            future.set_result(answer or _down(ref))


def _down(ref: int) -> Declined:
    return Declined(ref, "Z", _DOWN_EXIT, DOWN_TEXT)
