"""Which text log an event belongs to, and its lines there.

`send` holds what qmail-send would log (facts of messages, warnings and alerts of the queue),
`smtpd` refusals and ends of SMTP sessions, `serve` news of the processes. `records`, where the
site wants it, holds canonical records of all (events/records.py).
"""

from collections.abc import Callable, Iterable
from typing import Any

from glassmail.core.model.address import safe_for_log
from glassmail.events import qmail_lines, session_lines
from glassmail.events.event import Event
from glassmail.events.process import Alerted, SettingBroken, Warned
from glassmail.events.stamps import TAI64N, Stamp, stamp_of

SEND = "send"
SMTPD = "smtpd"
SERVE = "serve"
RECORDS = "records"
LOGS = (SEND, SMTPD, SERVE)
ALL_LOGS = (*LOGS, RECORDS)

_QUEUE_ROLE = "queue"
_OF_QUEUE = (Warned, Alerted, SettingBroken)

_Renderer = Callable[[Any, bytes], bytes]
_ROUTES: dict[type[Event], tuple[str, _Renderer]] = {
    **{kind: (SEND, f) for kind, f in qmail_lines.RENDERERS.items() if kind not in _OF_QUEUE},
    **{kind: (SMTPD, f) for kind, f in session_lines.RENDERERS.items()},
}


class TextLog:
    """Lines of many events, gathered per log."""

    def __init__(self, stamp: Stamp | None = None) -> None:
        """Make it; stamp: what writes the time in front of a line, TAI64N labels by default."""
        self._stamp = stamp or stamp_of(TAI64N)

    def render(self, events: Iterable[Event], into: dict[str, list[bytes]]) -> None:
        """Append the stamped lines of events to the lists of their logs."""
        stamp = self._stamp
        routes = _ROUTES
        for event in events:
            route = routes.get(type(event))
            if route is None:
                name, text = _process_news(event, stamp(event.at))
                into[name].append(text)
            else:
                into[route[0]].append(route[1](event, stamp(event.at)))


def plain_lines(event: Event) -> tuple[str, list[bytes]]:
    """Return the log of an event, and its lines there without stamp and newline."""
    route = _ROUTES.get(type(event))
    name, text = _process_news(event, b"") if route is None else (route[0], route[1](event, b""))
    return name, text.splitlines()


def is_news(event: Event) -> bool:
    """Tell whether an event is news of a process, which `serve` holds unless it is the queue's."""
    return type(event) not in _ROUTES


def _process_news(event: Event, stamp: bytes) -> tuple[str, bytes]:
    if isinstance(event, _OF_QUEUE) and event.role == _QUEUE_ROLE:
        return SEND, qmail_lines.lines(event, stamp)
    return SERVE, stamp + sentence_line(event)


def sentence_line(event: Event) -> bytes:
    """Return an event's sentence as one safe line; blanks stay, severity in front."""
    text = event.sentence.format_map(
        {name: getattr(event, name) for name in event.__struct_fields__}
    )
    words = b" ".join(safe_for_log(word) for word in text.encode("utf-8", "replace").split(b" "))
    head = b"" if event.severity == "info" else event.severity.encode() + b": "
    return head + words + b"\n"
