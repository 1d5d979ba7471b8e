"""The gate as a process of the SMTP server sees it.

Purpose:
    Connections are counted in and out, questions asked, blocks and taps kept at hand, so that a
    session looks them up without asking.

Always:
    - Nobody waits longer than ANSWER_S; without the gate every answer is "cannot tell", and mail
      goes on.
    - The only process of a site counts by itself and tells the gate later; of several each asks
      for a client that has more than its share of a limit (net.gate_shares), so that they are
      limited together. Others are told MOVED_S later.
    - Connections are counted only while somebody wants counts (`is_counting`); when that begins,
      and when the gate comes back, those that are open are counted in.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import msgspec

from glassmail.core.ask import Counts, Existence, Held
from glassmail.core.model.networks import NetworkError, NetworkTable, address_of, parse
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step
from glassmail.core.schedule.gate_book import GateBook
from glassmail.net.gate_messages import (
    Alone,
    Block,
    Crowded,
    Enter,
    Entered,
    Happened,
    Leave,
    MayLogIn,
    MaySend,
    Moved,
    Permitted,
    Tap,
    Transcript,
    Unblock,
    Untap,
)
from glassmail.net.gate_shares import EXACT, Limits, Shares
from glassmail.net.link import Link
from glassmail.net.messages import Failed, Message

ANSWER_S = 3.0  # and the second until somebody looks
ALONE_S = 0.02  # until the gate hears of who came and went, while it need not know
MOVED_S = 0.005  # the same, while others may come near a limit
AWAY = "the gate does not answer"
QUESTIONS_MAX = 20_000  # under way

T = TypeVar("T")
Found = Entered | Permitted | None
FromGate = Alone | Crowded | Entered | Permitted | Block | Unblock | Tap | Untap | Failed


class GateClient:
    """A process's connection to the gate.

    Attributes:
        is_counting: whether connections are told to the gate; set by `count_from_now`.
        taps: by number.
        on_taps: called when a tap begins or ends.
    """

    def __init__(self, path: str, role: str) -> None:
        """Make a client that is down until `start`.

        Args:
            path: the gate's socket.
            role: what the process is.
        """
        self._link: Link[FromGate] = Link(
            path, role, msgspec.msgpack.Decoder(FromGate), self._message
        )
        self._link.on_up = self._up
        self._link.on_down = self._down
        self._loop = asyncio.get_running_loop()
        self._ref = 0
        self._waiting: dict[int, tuple[Callable[[Found], None], float]] = {}  # and until when
        self._entries: dict[tuple[bytes, int], Counts] = {}  # counted, for whoever asks next
        self._asked: dict[tuple[bytes, int], int] = {}  # not waited for yet
        self._near: set[tuple[bytes, int]] = set()  # near a limit: others may wait for their place
        self._book = GateBook()  # of this process
        self._shares = Shares()
        self._is_alone = self._is_telling_soon = False
        self._entered: list[bytes] = []  # not told yet
        self._leaving: list[bytes] = []
        self._open: Counter[bytes] = Counter()
        self._blocks: NetworkTable[Block] = NetworkTable()
        self.is_counting = False
        self.taps: dict[int, Tap] = {}
        self.on_taps: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Connect, or keep trying in the background."""
        self._link.start()

    def close(self) -> None:
        """Hang up; whoever waits is told that nobody can tell."""
        self._link.close()

    # --- connections ---------------------------------------------------------------------------

    def enter(self, ip: bytes, port: int, limits: Limits | None = EXACT) -> None:
        """Count a connection in.

        Args:
            ip: the client.
            port: the client's.
            limits: what its counts (`connections`) are to be held against; None: nobody asks.
        """
        self._open[ip] += 1
        address, book = address_of(ip), self._book
        counts = book.enter(address) if address is not None else (1, 1, book.total + 1)
        if limits is None:
            pass  # it only has to be known
        elif self._is_alone:
            self._entries[ip, port] = Counts(YES, *counts)
        elif address is not None and self._shares.holds(address, counts, limits):
            detail = f"in one of {self._shares.servers} processes"
            self._entries[ip, port] = Counts(YES, *counts, detail)
        elif self._has_asked(ip, port, limits):
            return
        self._entered.append(ip)
        self._tell_soon()

    def _has_asked(self, ip: bytes, port: int, limits: Limits) -> bool:
        if self._entered:
            self._tell_moved()
        free = self._shares.free_again(limits)
        ref = self._ask(Enter(self._next(), ip, tuple(self._leaving), free), _ignore)
        if ref:
            self._leaving = []
            self._asked[ip, port] = ref
            self._near.add((ip, port))
        return ref > 0

    def leave(
        self, ip: bytes, port: int, on_left: Callable[[int], None] | None = None
    ) -> None:
        """Count a connection out that was counted in; on_left gets how many are left, if known."""
        self._entries.pop((ip, port), None)
        self._asked.pop((ip, port), None)
        if self._open[ip] > 1:
            self._open[ip] -= 1
        else:
            del self._open[ip]
        address = address_of(ip)
        if address is not None:
            self._book.leave(address)
        if not self._is_alone and on_left is not None:
            self._near.discard((ip, port))
            self._tell_moved()
            if not self._ask(Leave((ip,), self._next()), lambda found: on_left(_total(found))):
                self._leaving.append(ip)
                self._tell_soon()
                on_left(0)
            return
        self._leaving.append(ip)
        if (ip, port) in self._near:
            self._near.discard((ip, port))
            self._tell_moved()
        else:
            self._tell_soon()
        if on_left is not None:
            on_left(self._book.total)

    def _tell_soon(self) -> None:
        if not self._is_telling_soon:
            self._is_telling_soon = True
            self._loop.call_later(ALONE_S if self._is_alone else MOVED_S, self._tell_in_time)

    def _tell_in_time(self) -> None:
        self._is_telling_soon = False
        self._tell_moved()

    def _tell_moved(self) -> None:
        entered, self._entered = self._entered, []
        leaving, self._leaving = self._leaving, []
        if entered:
            self._link.send(Moved(tuple(entered), tuple(leaving)))
        elif leaving:
            self._link.send(Leave(tuple(leaving)))

    def counted_later(self, ip: bytes, port: int, then: Callable[[], None]) -> bool:
        """Have `then` called when the gate has counted a connection, or does not answer in time.

        To be called at once behind `enter`; `connections` knows the answer while `then` runs.

        Returns:
            False when there is nothing to wait for; then nothing is called.
        """
        key = (ip, port)
        ref = self._asked.pop(key, 0)
        if ref not in self._waiting:
            return False

        def counted(found: Found) -> None:
            if isinstance(found, Entered):
                self._entries[key] = Counts(YES, found.address, found.network, found.total)
            then()
            self._entries.pop(key, None)

        self._waiting[ref] = (counted, self._waiting[ref][1])
        return True

    async def connections(self, ip: bytes, port: int) -> Counts:
        """Tell how many connections are open, that of this client included."""
        key = (ip, port)
        future: asyncio.Future[Counts | None] = self._loop.create_future()
        if self.counted_later(ip, port, lambda: _resolve(future, self._entries.get(key))):
            found = await future
        else:
            found = self._entries.pop(key, None)
        return Counts(UNKNOWN, detail=AWAY) if found is None else found

    # --- limits --------------------------------------------------------------------------------

    def happened(self, kind: str, ip: bytes, account: bytes = b"") -> None:
        """Tell of something that is limited."""
        self._link.send(Happened(kind, ip, account))

    async def may_log_in(self, ip: bytes, account: bytes) -> Existence:
        """Tell whether a client may try a password now."""
        found = await self._answer(MayLogIn(self._next(), ip, account))
        if not isinstance(found, Permitted):
            return Existence(UNKNOWN, (Step("session.logins", ip, UNKNOWN, AWAY),))
        answer = YES if found.is_permitted else NO
        return Existence(answer, (Step("session.logins", ip, answer, found.source),))

    async def account_sends(self, account: bytes, recipients: int, ip: bytes) -> Held:
        """Count what an account sends; tell whether it may go on."""
        message = MaySend(self._next(), account, recipients, ip)
        found = await self._answer(message)
        if not isinstance(found, Permitted):
            return Held(UNKNOWN, detail=AWAY)
        return Held(YES if found.is_permitted else NO, found.count, found.source)

    @property
    def has_blocks(self) -> bool:
        """Tell whether anybody is shut out."""
        return bool(self._blocks.by_network)

    def block_of(self, ip: bytes) -> tuple[str, str] | None:
        """Return the block that an address is under: network and reason."""
        address = address_of(ip) if self._blocks.by_network else None
        if address is None:
            return None
        now = time.time()
        for block in self._blocks.holding(address):
            if block.until > now:
                return block.network, block.reason
        return None

    def expire(self) -> None:
        """Forget blocks and questions whose time is over; to be called now and then."""
        late = self._loop.time()
        for ref in [ref for ref, (_then, until) in self._waiting.items() if until < late]:
            self._waiting.pop(ref)[0](None)
        now = time.time()
        for block in self._blocks.values():
            if block.until <= now:
                self._blocks.drop(parse(block.network))

    # --- taps ----------------------------------------------------------------------------------

    def transcript(self, number: int, rows: tuple[bytes, ...]) -> None:
        """Send lines of a tapped session."""
        self._link.send(Transcript(number, rows))

    # --- the connection ------------------------------------------------------------------------

    def _next(self) -> int:
        self._ref += 1
        return self._ref

    def _ask(
        self, message: Enter | Leave | MayLogIn | MaySend, then: Callable[[Found], None]
    ) -> int:
        """Ask; `then` is called once, with None when there is no answer. 0: it was not asked."""
        if len(self._waiting) >= QUESTIONS_MAX or not self._link.send(message):
            return 0
        self._waiting[message.ref] = (then, self._loop.time() + ANSWER_S)
        return message.ref

    async def _answer(self, message: MayLogIn | MaySend) -> Found:
        future: asyncio.Future[Found] = self._loop.create_future()
        if not self._ask(message, lambda found: _resolve(future, found)):
            return None
        return await future

    def _up(self) -> None:
        self._blocks.clear()  # all that count are sent again
        self.taps.clear()
        self._leaving.clear()  # this gate has never heard of them
        self._entered.clear()
        self._is_alone = False  # until it says so
        for ip, count in self._open.items():
            for _ in range(count):
                self._link.send(Enter(0, ip))

    def _down(self, _reason: str) -> None:
        self._entries.clear()
        self._asked.clear()
        self._is_alone = False
        self._shares.forget()
        waiting, self._waiting = self._waiting, {}
        for then, _until in waiting.values():
            then(None)
        if self.taps:
            self.taps.clear()
            self.on_taps()

    def _message(self, message: Message, _descriptors: tuple[int, ...]) -> None:
        if isinstance(message, Entered | Permitted):
            waiting = self._waiting.pop(message.ref, None)
            if waiting is not None:
                waiting[0](message)
        elif isinstance(message, Alone):
            self._tell_moved()  # so that the gate knows all, whoever counts from now on
            self._is_alone = message.is_alone
            self._shares.servers = message.servers
        elif isinstance(message, Crowded):
            self._tell_moved()  # somebody's answer may rest on what we have not told yet
            self._shares.learn(message)
        elif isinstance(message, Block | Unblock):
            self._blocked(message)
        elif isinstance(message, Tap):
            self.taps[message.number] = message
            self.on_taps()
        elif isinstance(message, Untap) and self.taps.pop(message.number, None) is not None:
            self.on_taps()

    def _blocked(self, message: Block | Unblock) -> None:
        try:
            network = parse(message.network)
        except NetworkError:
            return  # the gate checked it; nothing that could be looked up stands there
        if isinstance(message, Unblock):
            self._blocks.drop(network)
        else:
            self._blocks.put(network, message)


def _total(found: Found) -> int:
    return found.total if isinstance(found, Entered) else 0


def _ignore(_found: Found) -> None:
    """Nobody waits for this answer, or not yet."""


def _resolve(future: asyncio.Future[T], result: T) -> None:
    if not future.done():
        future.set_result(result)
