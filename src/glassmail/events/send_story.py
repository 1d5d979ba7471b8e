"""qmail-send's log as events: what its lines tell of each message, put together.

Purpose:
    `SendLog.feed` takes the lines of a log in their order and gives the events of messages that
    are over; `finish` gives the rest. qmail names a message by an inode, which the next message
    may have, and a bounce or forward by the process that queued it (`qp`): both are followed.

Always:
    - Nothing is made up. What a log does not say (Message-ID, client, steps) stays empty, and a
      recipient is the address as it was routed; the prepend of a virtual domain is taken off only
      where it is the domain itself (vpopmail's).
    - Memory holds the messages that are not over, and for GRACE_NS those that are: a forward may
      be logged before the delivery that made it.
"""

from collections import deque

from glassmail.core.model.address import split_address
from glassmail.core.route.rewrite import Channel
from glassmail.core.schedule.retry import next_attempt
from glassmail.events.case import LIFE, shown_number
from glassmail.events.event import Event
from glassmail.events.queue import (
    Accepted,
    Administered,
    Bounced,
    Discarded,
    Ended,
    Settled,
    Started,
)
from glassmail.events.send_lines import SendLine, read

GRACE_NS = 60_000_000_000
_QPS_MAX = 100_000
_LOAD = (0, 0, 0, 0, False)
_NO_UID = 0


class _Message:
    """A message of the log that is not told yet."""

    __slots__ = ("at", "ended", "events", "info", "kind", "number", "origin", "qp", "recipients")

    def __init__(self, number: int, at: int) -> None:
        self.number = number
        self.at = at
        self.info: SendLine | None = None
        self.qp = 0
        self.origin = 0
        self.kind = ""
        self.ended = 0
        self.recipients: dict[tuple[str, bytes], int] = {}
        self.events: list[Event] = []


class SendLog:
    """One qmail-send log, line by line."""

    def __init__(self) -> None:
        self._messages: dict[int, _Message] = {}
        self._deliveries: dict[int, tuple[_Message, int, str, bytes]] = {}
        self._by_qp: dict[int, _Message] = {}  # who was queued by a process
        self._parents: dict[int, tuple[_Message, str]] = {}  # who had a process queue something
        self._lives: dict[int, int] = {}  # how often a number was used
        self._over: deque[_Message] = deque()
        self.lines = 0  # that were qmail-send's

    def feed(self, at: int, text: bytes) -> list[Event]:
        """Take a line without its time; return the events of messages that are over since then."""
        line = read(text)
        if line is None:
            return []
        self.lines += 1
        handler = _HANDLERS.get(line.kind)
        if handler is not None:
            handler(self, at, line)
        told: list[Event] = []
        while self._over and self._over[0].ended + GRACE_NS < at:
            told += self._tell(self._over.popleft())
        return told

    def finish(self) -> list[Event]:
        """Return the events of all messages that are left, waiting ones too."""
        told = [event for message in self._over for event in self._tell(message)]
        told += [event for message in self._messages.values() for event in self._tell(message)]
        self._over.clear()
        self._messages.clear()
        return told

    # --- lines ----------------------------------------------------------------------------------

    def _new(self, at: int, line: SendLine) -> None:
        known = self._messages.get(line.message)
        if known is None or known.recipients:  # without deliveries it is a retry of preprocessing
            if known is not None:
                self._end(known, known.at)  # its end was never logged: the number is used again
            self._begin(line.message, at)

    def _info(self, at: int, line: SendLine) -> None:
        message = self._of(line.message, at)
        message.info, message.qp = line, line.qp
        if len(self._by_qp) >= _QPS_MAX:
            self._by_qp.clear()
            self._parents.clear()
        self._by_qp[line.qp] = message
        parent = self._parents.get(line.qp)
        if parent is not None and at - parent[0].at < 30 * 86_400 * 10**9:
            message.origin, message.kind = parent[0].number, parent[1]

    def _starting(self, at: int, line: SendLine) -> None:
        message = self._of(line.message, at)
        key = (line.channel, line.address)
        number = message.recipients.setdefault(key, len(message.recipients))
        self._deliveries[line.delivery] = (message, number, *key)
        started = Started(
            at, message.number, line.delivery, number, line.channel, line.address, (), _LOAD
        )
        message.events.append(started)

    def _delivery(self, at: int, line: SendLine) -> None:
        found = self._deliveries.pop(line.delivery, None)
        if found is None:
            return  # it began before the log does
        message, number, channel, address = found
        outcome = line.outcome or "?"
        text = readable(line.text)
        retry_at = 0
        if outcome not in "KD":
            born, now = message.at // 10**9, at // 10**9
            retry_at = next_attempt(born, now, Channel(channel))
        settled = Settled(at, message.number, line.delivery, number, channel, address, outcome,
                          text, retry_at, (), _LOAD)  # fmt: skip
        message.events.append(settled)
        if outcome == "K" and channel == "local":
            for qp in _qps(text):
                self._child(qp, message, "forward")

    def _bounce(self, at: int, line: SendLine) -> None:
        message = self._of(line.message, at)
        self._child(line.qp, message, "bounce")
        message.events.append(Bounced(at, message.number, line.qp))

    def _discarded(self, at: int, line: SendLine) -> None:
        message = self._of(line.message, at)
        message.events.append(Discarded(at, message.number, line.text.decode("ascii")))

    def _admin(self, at: int, line: SendLine) -> None:
        message = self._of(line.message, at)
        event = Administered(at, message.number, line.text.decode("ascii"), line.uid)
        message.events.append(event)

    def _ended(self, at: int, line: SendLine) -> None:
        message = self._messages.get(line.message)
        if message is not None:
            message.events.append(Ended(at, message.number))
            self._end(message, at)

    # --- messages -------------------------------------------------------------------------------

    def _of(self, number: int, at: int) -> _Message:
        message = self._messages.get(number)
        return message if message is not None else self._begin(number, at)  # older than the log

    def _begin(self, inode: int, at: int) -> _Message:
        life = self._lives.get(inode, 0)
        self._lives[inode] = life + 1
        message = self._messages[inode] = _Message(inode + life * LIFE, at)
        return message

    def _child(self, qp: int, parent: _Message, kind: str) -> None:
        """Note who had a process queue a message, which may be logged before or after this."""
        self._parents[qp] = (parent, kind)
        child = self._by_qp.get(qp)
        if child is not None and child.at >= parent.at and child is not parent:
            child.origin, child.kind = parent.number, kind

    def _end(self, message: _Message, at: int) -> None:
        message.ended = at
        self._over.append(message)
        self._messages.pop(shown_number(message.number), None)

    def _tell(self, message: _Message) -> list[Event]:
        if message.info is None:
            return message.events
        info = message.info
        recipients = tuple(_as_written(address) for _channel, address in message.recipients)
        accepted = Accepted(
            message.at, message.number, 0, 0, info.size, info.address, info.uid, message.origin,
            message.kind or "network", b"", recipients,
        )  # fmt: skip
        return [accepted, *map(self._with_child, message.events)]

    def _with_child(self, event: Event) -> Event:
        """Name a bounce by its message, once its lines have come."""
        if isinstance(event, Bounced):
            child = self._by_qp.get(event.bounce)
            if child is not None and child.origin == event.message:
                return Bounced(event.at, event.message, child.number)
        return event


_HANDLERS = {
    "new": SendLog._new,  # noqa: SLF001 -- the table of its own methods
    "info": SendLog._info,  # noqa: SLF001
    "starting": SendLog._starting,  # noqa: SLF001
    "delivery": SendLog._delivery,  # noqa: SLF001
    "mangled": SendLog._delivery,  # noqa: SLF001
    "bounce": SendLog._bounce,  # noqa: SLF001
    "discarded": SendLog._discarded,  # noqa: SLF001
    "admin": SendLog._admin,  # noqa: SLF001
    "end": SendLog._ended,  # noqa: SLF001
}


def readable(text: bytes) -> bytes:
    """Write a report as it may have been: `_` was a blank, `/` before a sentence a newline.

    qmail-send wrote both away (qmail-send.c); which `/` was one from the start cannot be told, so
    only those at the end, before a capital and before a reply's number are read as newlines.
    """
    if not text:
        return text
    out = bytearray(text.replace(b"_", b" "))
    for index, byte in enumerate(out):
        if byte != 0x2F:  # `/`
            continue
        rest = bytes(out[index + 1 : index + 5])
        is_reply = rest[:3].isdigit() and rest[3:] in {b" ", b"-"}
        is_end = not rest.strip(b"/")
        is_sentence = rest[:1].isupper() or rest[:3] == b"qp "
        if is_end or is_reply or is_sentence:
            out[index] = 0x0A
    return bytes(out)


def _qps(text: bytes) -> list[int]:
    """Return the processes that forwards were queued by: `did 0+1+0`, `qp 29949`."""
    numbers = [line[3:] for line in text.split(b"\n") if line.startswith(b"qp ")]
    return [int(number) for number in numbers if number.isdigit() and len(number) <= 18]


def _as_written(address: bytes) -> bytes:
    """Take vpopmail's prepend off: `here.test-joe@here.test` was `joe@here.test`."""
    local, domain = split_address(address)
    prefix = domain + b"-"
    is_prepended = bool(domain) and local.lower().startswith(prefix.lower())
    return address[len(prefix) :] if is_prepended else address
