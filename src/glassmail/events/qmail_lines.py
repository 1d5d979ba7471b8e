"""qmail-send's log lines, byte for byte, from the queue's facts (qmail-send.c, qmail-log.5).

Purpose:
    `lines(event, stamp)` gives the lines of one event, each with the stamp in front and a newline
    at the end; nothing for an event that qmail has no line for.

Always:
    - One line per fact of qmail's, in qmail's order: the status line follows each start and each
      result of a delivery.
    - Addresses and reports are made safe byte by byte, so that no text can start a new line.

Beyond qmail: `admin msg N: VERB by uid U`, for an order given by hand; analysers of qmail's logs
skip lines they do not know.
"""

from collections.abc import Callable
from typing import Any

from glassmail.core.model.address import safe_for_log
from glassmail.events.event import Event
from glassmail.events.process import Alerted, SettingBroken, Warned
from glassmail.events.queue import (
    Accepted,
    Administered,
    Bounced,
    Discarded,
    Ended,
    Exiting,
    Load,
    Settled,
    Started,
)

_RESULT = {"K": b"success", "Z": b"deferral", "D": b"failure"}


def lines(event: Event, stamp: bytes = b"") -> bytes:
    """Return the lines of an event, or nothing."""
    render = RENDERERS.get(type(event))
    return render(event, stamp) if render is not None else b""


def _accepted(event: Accepted, stamp: bytes) -> bytes:
    number = event.message
    return b"%bnew msg %d\n%binfo msg %d: bytes %d from <%b> qp %d uid %d\n" % (
        stamp,
        number,
        stamp,
        number,
        event.size,
        safe_for_log(event.sender),
        number,
        event.uid,
    )


def _status(load: tuple[int, int, int, int, bool]) -> bytes:
    local, local_most, remote, remote_most, is_exiting = load
    tail = b" exitasap" if is_exiting else b""
    return b"status: local %d/%d remote %d/%d%b" % (local, local_most, remote, remote_most, tail)


def _started(event: Started, stamp: bytes) -> bytes:
    return b"%bstarting delivery %d: msg %d to %b %b\n%b%b\n" % (
        stamp,
        event.delivery,
        event.message,
        event.channel.encode("ascii", "replace"),
        safe_for_log(event.address),
        stamp,
        _status(event.load),
    )


def _settled(event: Settled, stamp: bytes) -> bytes:
    result = _RESULT.get(event.outcome)
    if result is None:  # qmail-send.c del_dochan: neither K, Z nor D
        text = b"report mangled, will defer"
    else:
        text = b"%b: %b" % (result, safe_for_log(event.text))
    return b"%bdelivery %d: %b\n%b%b\n" % (stamp, event.delivery, text, stamp, _status(event.load))


def _bounced(event: Bounced, stamp: bytes) -> bytes:
    return b"%bbounce msg %d qp %d\n" % (stamp, event.message, event.bounce)


def _discarded(event: Discarded, stamp: bytes) -> bytes:
    kind = safe_for_log(event.kind.encode())
    return b"%b%b bounce: discarding bounce/%d\n" % (stamp, kind, event.message)


def _ended(event: Ended, stamp: bytes) -> bytes:
    return b"%bend msg %d\n" % (stamp, event.message)


def _administered(event: Administered, stamp: bytes) -> bytes:
    verb = safe_for_log(event.verb.encode())
    return b"%badmin msg %d: %b by uid %d\n" % (stamp, event.message, verb, event.uid)


def _load(event: Load, stamp: bytes) -> bytes:
    load = (event.local, event.local_most, event.remote, event.remote_most, event.exiting)
    return b"%b%b\n" % (stamp, _status(load))


def _exiting(_event: Exiting, stamp: bytes) -> bytes:
    return b"%bstatus: exiting\n" % stamp


def _warned(event: Warned, stamp: bytes) -> bytes:
    return b"%bwarning: %b\n" % (stamp, _sentence(event.text))


def _alerted(event: Alerted, stamp: bytes) -> bytes:
    return b"%balert: %b\n" % (stamp, _sentence(event.text))


def _setting_broken(event: SettingBroken, stamp: bytes) -> bytes:
    return b"%balert: %b\n" % (stamp, _sentence(event.problem))


def _sentence(text: str) -> bytes:
    """Keep blanks, as qmail does in its own sentences; everything else is made safe."""
    return b" ".join(safe_for_log(word) for word in text.encode().split(b" "))


RENDERERS: dict[type[Event], Callable[[Any, bytes], bytes]] = {
    Accepted: _accepted,
    Started: _started,
    Settled: _settled,
    Bounced: _bounced,
    Discarded: _discarded,
    Ended: _ended,
    Administered: _administered,
    Load: _load,
    Exiting: _exiting,
    Warned: _warned,
    Alerted: _alerted,
    SettingBroken: _setting_broken,
}
