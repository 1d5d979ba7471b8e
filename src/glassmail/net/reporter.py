"""How a process tells its events to the log: batched, bounded, without ever waiting.

Purpose:
    `tell` only appends to a list; a timer or a full batch hands the list to the log's socket.

Always:
    - A caller never waits, and memory is bounded: when the log is away or does not keep up,
      session noise (SessionEnded, Notice, Noted) goes first, refusals and the rest last.
    - What was dropped is counted and told as a `Dropped` event once the log takes events again.
"""

import asyncio
import os
import time
from collections.abc import Sequence

import msgspec

from glassmail.events import codec
from glassmail.events.event import Event
from glassmail.events.process import Dropped, Notice
from glassmail.events.smtpd import Noted, SessionEnded
from glassmail.net.channel import connect
from glassmail.net.limits import FRAME_BYTES_MAX
from glassmail.net.link import Link
from glassmail.net.messages import Failed, Hello, Pulse, Tell, encode

FLUSH_S = 0.03  # how long an event may wait for company
BATCH_EVENTS = 256  # so many are sent at once without waiting
KEPT_EVENTS_MAX = 8_192  # kept while the log does not take them
UNSENT_BYTES_MAX = 2_097_152  # on the socket's way; beyond it the log counts as too slow
TELL_BYTES_MAX = FRAME_BYTES_MAX // 2  # of one batch
ONCE_TIMEOUT_S = 1.0

_NOISE = (SessionEnded, Notice, Noted)


class Reporter:
    """A process's line to the log."""

    def __init__(self, path: str, role: str) -> None:
        """Make a reporter that is silent until `start`.

        Args:
            path: the log's socket.
            role: what the process is: smtpd, queue, local, ...
        """
        self._role = role
        self._events: list[Event] = []
        self._wake_at = 1  # length of the list at which something is to be done
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._link: Link[Failed] = Link(
            path, role, msgspec.msgpack.Decoder(Failed), lambda _message, _descriptors: None
        )
        self._link.on_up = self._flush

    @property
    def dropped(self) -> int:
        """Events dropped and not yet told of."""
        return self._dropped

    def start(self) -> None:
        """Connect, or keep trying in the background. Events may be told before."""
        self._link.start()

    def tell(self, event: Event) -> None:
        """Tell an event; costs an append, waits for nothing, cannot fail."""
        events = self._events
        events.append(event)
        if len(events) >= self._wake_at:
            self._wake()

    def pulse(self, numbers: dict[str, int], rows: Sequence[bytes] = ()) -> None:
        """Say what the process is busy with; for live views, so nothing waits or is repeated."""
        if self._can_send():
            self._link.send(Pulse(numbers, tuple(rows)))

    def close(self) -> None:
        """Send what can be sent at once and close for good."""
        self._flush()
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._link.close()

    def _wake(self) -> None:
        if self._is_closed:
            self._events.clear()
            return
        count = len(self._events)
        if count >= BATCH_EVENTS and self._can_send():
            self._flush()
            return
        if count > KEPT_EVENTS_MAX:
            self._shed()
            count = len(self._events)
        self._wake_at = count + BATCH_EVENTS if count >= BATCH_EVENTS else BATCH_EVENTS
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._flush()
        if self._events and self._link.is_up:  # the log reads too slowly: look again
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._tick)

    def _can_send(self) -> bool:
        return self._link.is_up and self._link.unsent_bytes < UNSENT_BYTES_MAX

    def _flush(self) -> None:
        if self._is_closed or not self._can_send():
            return
        if self._dropped:
            self._events.append(Dropped(time.time_ns(), self._role, self._dropped))
            self._dropped = 0
        events, self._events = self._events, []
        self._wake_at = 1
        for start in range(0, len(events), BATCH_EVENTS):
            self._send(events[start : start + BATCH_EVENTS])

    def _send(self, events: list[Event]) -> None:
        data = codec.encode(events)
        if len(data) > TELL_BYTES_MAX:
            if len(events) == 1:  # one event beyond every limit of its fields: not worth a frame
                self._dropped += 1
                return
            middle = len(events) // 2
            self._send(events[:middle])
            self._send(events[middle:])
        elif not self._link.send(Tell(data)):
            self._dropped += len(events)

    def _shed(self) -> None:
        """Drop noise first; when that is not enough, the oldest of the rest."""
        before = len(self._events)
        kept = [event for event in self._events if not isinstance(event, _NOISE)]
        room = KEPT_EVENTS_MAX * 3 // 4
        self._events = kept[-room:]
        self._dropped += before - len(self._events)


def tell_once(path: str, role: str, event: Event) -> bool:
    """Tell one event from a process without a loop; False when the log does not answer."""
    try:
        channel = connect(path, ONCE_TIMEOUT_S)
    except OSError:
        return False
    try:
        channel.send(encode(Hello(role, os.getpid())))
        channel.send(encode(Tell(codec.encode([event]))))
    except OSError:
        return False
    finally:
        channel.close()
    return True
