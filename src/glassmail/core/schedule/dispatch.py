"""What may start now: passes over messages, slots, groups of recipients.

Purpose:
    qmail-send makes passes: when a message is due on a channel, every recipient that waits
    there is tried once. `Dispatcher` holds the passes under way and says which recipients to
    start within the concurrency limits; the queue process numbers and sends them.

Pure:
    No clock, no store. The caller hands in passes and reports how deliveries ended.

Always:
    - A local delivery takes one slot each. Remote recipients of one message at one domain go
      out together, at most GROUP_MAX, and take one slot: they share one SMTP transaction.
    - Fresh messages and due ones take turns, FRESH_TURNS to one, so that neither a backlog
      delays new mail nor new mail starves the backlog.
"""

from collections import deque
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

from glassmail.core.model.address import split_address

GROUP_MAX = 100  # recipients of one SMTP transaction (RFC 5321, 4.5.3.1.8 asks servers to take 100)
LOCAL_TURN = 64  # local recipients of one message started before another message has its turn
FRESH_TURNS = 4

T = TypeVar("T")


class Recipient(NamedTuple):
    """A recipient to deliver to: its number in the message, envelope and rewritten address."""

    number: int
    original: bytes
    address: bytes


class Pass(Generic[T]):
    """One pass over the waiting recipients of a message on a channel.

    Attributes:
        carries: whatever the caller needs to deliver (the message).
        next_due: when the next pass would come (seconds).
        is_dying: whether this is the last pass, so that deferrals become failures.
        running: recipients started and not settled.
        is_deferred: whether some recipient of this pass has to wait for the next one.
        breaks: how often the delivery process went away under this pass.
    """

    __slots__ = (
        "breaks", "carries", "channel", "groups", "is_deferred", "is_dying", "is_fresh",
        "message", "next_due", "running", "waiting",
    )  # fmt: skip

    def __init__(
        self, message: int, channel: int, carries: T, waiting: list[Recipient], *, is_fresh: bool
    ) -> None:
        self.message = message
        self.channel = channel
        self.carries = carries
        self.waiting = deque(waiting)
        self.is_fresh = is_fresh
        self.next_due = 0
        self.is_dying = False
        self.is_deferred = False
        self.running = 0
        self.breaks = 0
        self.groups: dict[bytes, deque[Recipient]] | None = None

    @property
    def is_over(self) -> bool:
        """Tell whether every recipient of this pass has been tried."""
        return not self.waiting and not self.running and not self.groups

    def cut_short(self) -> None:
        """Let those who were not started wait for the next pass."""
        self.is_deferred = self.is_deferred or bool(self.waiting or self.groups)
        self.waiting.clear()
        self.groups = None


class Group:
    """Recipients that share a slot; the slot is free again when none is left."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class Start(NamedTuple, Generic[T]):
    """Recipients to start together: one job."""

    turn: Pass[T]
    recipients: list[Recipient]
    group: Group


class Lane(Generic[T]):
    """One channel: its limit, slots in use, and passes that wait for a slot."""

    __slots__ = ("_due", "_fresh", "_groups_recipients", "_turn", "limit", "used")

    def __init__(self, limit: int, *, groups_recipients: bool) -> None:
        self.limit = limit
        self.used = 0
        self._groups_recipients = groups_recipients
        self._fresh: deque[Pass[T]] = deque()
        self._due: deque[Pass[T]] = deque()
        self._turn = 0

    @property
    def free(self) -> int:
        """Slots that may be taken now."""
        return max(0, self.limit - self.used)

    @property
    def ready(self) -> int:
        """Passes that wait for a slot."""
        return len(self._fresh) + len(self._due)

    def fills(self, count: int) -> bool:
        """Tell whether what waits would fill the free slots, or is `count` recipients."""
        wanted = min(count, self.free)
        waiting = 0
        for turn in chain(self._fresh, self._due):
            waiting += len(turn.waiting)
            if waiting >= wanted:
                return True
        return False

    def add(self, turn: Pass[T]) -> None:
        """Let a pass wait for slots."""
        (self._fresh if turn.is_fresh else self._due).append(turn)

    def remove(self, message: int) -> None:
        """Forget passes of a message that have nothing running."""
        self._fresh = deque(turn for turn in self._fresh if turn.message != message)
        self._due = deque(turn for turn in self._due if turn.message != message)

    def take(self) -> list[Start[T]]:
        """Take as many recipients as slots allow."""
        starts: list[Start[T]] = []
        while self.used < self.limit and (self._fresh or self._due):
            turn = self._next()
            start = self._group(turn) if self._groups_recipients else self._each(turn)
            if start is not None:
                starts.append(start)
            if turn.waiting or turn.groups:
                self.add(turn)
        return starts

    def release(self, group: Group) -> None:
        """One recipient of a group is settled; its slot is freed with the last one."""
        if self._groups_recipients:
            group.left -= 1
            if group.left == 0:
                self.used -= 1
        else:
            self.used -= 1

    def _next(self) -> Pass[T]:
        if not self._due:
            return self._fresh.popleft()
        self._turn = (self._turn + 1) % (FRESH_TURNS + 1)
        if self._fresh and self._turn:
            return self._fresh.popleft()
        return self._due.popleft()

    def _each(self, turn: Pass[T]) -> Start[T] | None:
        count = min(self.free, len(turn.waiting), LOCAL_TURN)
        if count == 0:
            return None
        taken = [turn.waiting.popleft() for _ in range(count)]
        self.used += count
        turn.running += count
        return Start(turn, taken, Group(count))

    def _group(self, turn: Pass[T]) -> Start[T] | None:
        groups = turn.groups if turn.groups is not None else {}
        while turn.waiting:
            recipient = turn.waiting.popleft()
            domain = split_address(recipient.address)[1].lower()
            groups.setdefault(domain, deque()).append(recipient)
        turn.groups = groups
        if not groups:
            return None
        domain = next(iter(groups))
        queue = groups[domain]
        taken = [queue.popleft() for _ in range(min(len(queue), GROUP_MAX))]
        if not queue:
            del groups[domain]
        self.used += 1
        turn.running += len(taken)
        return Start(turn, taken, Group(len(taken)))
