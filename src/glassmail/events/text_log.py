"""Which text log an event belongs to, and its lines there.

`send` holds what qmail-send would log (facts of messages, warnings and alerts of the queue),
`smtpd` refusals and ends of SMTP sessions, `serve` news of the processes.
"""

from collections.abc import Callable, Iterable
from typing import Any

from glassmail.core.formats.tai64n import Labels
from glassmail.core.model.address import safe_for_log
from glassmail.events import qmail_lines, session_lines
from glassmail.events.event import Event
from glassmail.events.process import Alerted, SettingBroken, Warned

SEND = "send"
SMTPD = "smtpd"
SERVE = "serve"
LOGS = (SEND, SMTPD, SERVE)

_QUEUE_ROLE = "queue"
_OF_QUEUE = (Warned, Alerted, SettingBroken)

_Renderer = Callable[[Any, bytes], bytes]
_ROUTES: dict[type[Event], tuple[str, _Renderer]] = {
    **{kind: (SEND, f) for kind, f in qmail_lines.RENDERERS.items() if kind not in _OF_QUEUE},
    **{kind: (SMTPD, f) for kind, f in session_lines.RENDERERS.items()},
}


class TextLog:
    """Lines of many events, gathered per log."""

    def __init__(self) -> None:
        self._labels = Labels()

    def render(self, events: Iterable[Event], into: dict[str, list[bytes]]) -> None:
        """Append the stamped lines of events to the lists of their logs."""
        label = self._labels.label
        routes = _ROUTES
        for event in events:
            route = routes.get(type(event))
            if route is None:
                self._process_news(event, into)
            else:
                into[route[0]].append(route[1](event, label(event.at)))

    def _process_news(self, event: Event, into: dict[str, list[bytes]]) -> None:
        stamp = self._labels.label(event.at)
        if isinstance(event, _OF_QUEUE) and event.role == _QUEUE_ROLE:
            into[SEND].append(qmail_lines.lines(event, stamp))
        else:
            into[SERVE].append(stamp + sentence_line(event))


def sentence_line(event: Event) -> bytes:
    """Return an event's sentence as one safe line; blanks stay, severity in front."""
    text = event.sentence.format_map(
        {name: getattr(event, name) for name in event.__struct_fields__}
    )
    words = b" ".join(safe_for_log(word) for word in text.encode("utf-8", "replace").split(b" "))
    head = b"" if event.severity == "info" else event.severity.encode() + b": "
    return head + words + b"\n"
