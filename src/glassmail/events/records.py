"""Canonical records: one line for each session, message and delivery, with everything about it.

They are for programs that read along, beside qmail's lines, which stay as they are
(control/logrecords: `json` or `keyvalue`; the log is ROOT/log/records).

    session   a connection: client, helo, how it ended, what it brought
    refused   a command or message that was answered 4xx or 5xx
    message   accepted: trace code, sender, recipients, size, and the client it came from
    delivery  an attempt: recipient, result, text, how long it took, how old the message is
    end       a message left the queue

A line stands for itself: what a reader would have to look up elsewhere (trace code and sender of
a delivery) is written again. The names of fields are those of docs/reference/events.md.
"""

from typing import Any

import msgspec

from glassmail.core.schedule.rates import forget_oldest
from glassmail.events.codec import decode_story
from glassmail.events.event import Event
from glassmail.events.fields import Field, code_text, fill, names_of, time_of, words
from glassmail.events.queue import Accepted, Ended, Settled, Started
from glassmail.events.smtpd import Refused, SessionEnded

JSON = "json"
KEY_VALUE = "keyvalue"
NONE = "none"
FORMS = (NONE, JSON, KEY_VALUE)

REMEMBERED_MAX = 100_000  # messages, and attempts, under way
_RESULTS = {"K": "success", "Z": "deferral", "D": "failure"}
_KINDS: tuple[type[Event], ...] = (Accepted, Settled, Ended, SessionEnded, Refused)
_NAMES = {kind: names_of(kind, ("code", "part", "began", "outcome")) for kind in _KINDS}
_OF_STORY = ("service", "client", "client_port", "client_name", "helo")
# Left out when empty; an empty sender is one, and a 0 of the rest is a number.
_UNKNOWN_IF_EMPTY = {
    "session": ("code", "helo", "tls", "login", "sender", "recipients", "stage"),
    "refused": ("code", "client_name", "helo", "recipient", "recipients", "tls", "login"),
    "message": ("code", "origin", "message_id", "client_name", "helo"),
    "delivery": ("code", "retry_at"),
    "end": ("code",),
}
_NANO_MS = 1_000_000
_NANO_S = 1_000_000_000


class Records:
    """Makes records; remembers what later lines of a message need."""

    def __init__(self, form: str) -> None:
        """Make it; form: JSON or KEY_VALUE."""
        self._form = form
        self._messages: dict[int, tuple[str, bytes, int]] = {}
        self._began: dict[int, int] = {}

    def line(self, event: Event) -> bytes:
        """Return the record of an event with its newline; empty for an event without one."""
        match event:
            case Started():
                _remember(self._began, event.delivery, event.at)
                return b""
            case Settled():
                return self._write("delivery", event, self._delivery(event))
            case Accepted():
                return self._write("message", event, self._message(event))
            case Ended():
                return self._write("end", event, self._end(event))
            case SessionEnded():
                took = max(0, event.at - event.began) // _NANO_MS
                more: dict[str, Field] = {"code": code_text(event.code), "ms": took}
                return self._write("session", event, more)
            case Refused():
                return self._write("refused", event, {"code": code_text(event.code, event.part)})
            case _:
                return b""

    def _message(self, event: Accepted) -> dict[str, Field]:
        code = code_text(event.code, event.part)
        _remember(self._messages, event.message, (code, event.sender, event.at))
        more: dict[str, Field] = {"code": code}
        if event.story:
            try:
                fill(more, decode_story(event.story), _OF_STORY)
            except ValueError:  # a damaged record: the rest of the line is still true
                return more
        return more

    def _delivery(self, event: Settled) -> dict[str, Field]:
        code, sender, accepted = self._messages.get(event.message, ("", None, 0))
        began = self._began.pop(event.delivery, 0)
        more: dict[str, Field] = {"result": _RESULTS.get(event.outcome, "mangled"), "code": code}
        if sender is not None:
            more["sender"] = sender.decode("utf-8", "backslashreplace")
            more["age_s"] = max(0, event.at - accepted) // _NANO_S
        if began:
            more["ms"] = max(0, event.at - began) // _NANO_MS
        return more

    def _end(self, event: Ended) -> dict[str, Field]:
        code, sender, accepted = self._messages.pop(event.message, ("", None, 0))
        if sender is None:
            return {}
        shown = sender.decode("utf-8", "backslashreplace")
        age_s = max(0, event.at - accepted) // _NANO_S
        return {"code": code, "sender": shown, "age_s": age_s}

    def _write(self, kind: str, event: Event, more: dict[str, Field]) -> bytes:
        record: dict[str, Field] = {"time": time_of(event.at), "record": kind}
        fill(record, event, _NAMES[type(event)])
        record.update(more)
        for name in _UNKNOWN_IF_EMPTY[kind]:
            if not record.get(name, True):
                del record[name]
        if self._form == JSON:
            return msgspec.json.encode(record) + b"\n"
        return words(record).encode("utf-8") + b"\n"


def _remember(table: dict[int, Any], key: int, value: object) -> None:
    if len(table) >= REMEMBERED_MAX:
        forget_oldest(table)  # their later lines tell less
    table[key] = value
