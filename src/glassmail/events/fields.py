"""Events as fields: a JSON object, or key=value words, for programs that read along.

Every event becomes an object with `event` (its tag), `time` (RFC 3339, UTC), `severity` and its own
fields by name. Trace codes are written as people read them; bytes as UTF-8, with backslash
escapes where they are not.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import msgspec

from glassmail.core.model import code
from glassmail.core.model.trail import Step
from glassmail.events.event import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_is_bare = re.compile(r"[a-zA-Z0-9@.:/+_<>\[\],*#~^-]+").fullmatch

Field = str | int | float | bool | None | list["Field"] | dict[str, "Field"]


def time_of(at: int) -> str:
    """Write nanoseconds since 1970 as `2026-11-20T15:17:03.410293Z`."""
    seconds, rest = divmod(at, 1_000_000_000)
    try:
        return f"{_second(seconds)}.{rest // 1000:06d}Z"
    except OverflowError:  # a damaged record: the year is beyond the calendar
        return str(at)


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def code_text(number: int, part: int = 0) -> str:
    """Write a trace code, empty when there is none."""
    if not 0 < number <= code.NUMBER_MAX:
        return ""
    text = code.render(number).decode("ascii")
    return f"{text}/{part}" if part else text


def row(event: Event) -> dict[str, Field]:
    """Return the fields of an event as a JSON object."""
    config = event.__struct_config__
    fields: dict[str, Field] = {
        "event": str(config.tag),
        "time": time_of(event.at),
        "severity": event.severity,
    }
    for name in event.__struct_fields__:
        if name not in {"at", "code", "story"}:
            fields[name] = _field(getattr(event, name))
    number = getattr(event, "code", 0)
    if number:
        fields["code"] = code_text(number)
    return fields


def brief(event: Event) -> dict[str, Field]:
    """Return the fields of an event without its trail, load and story."""
    kind = type(event)
    names = _brief_names.get(kind)
    if names is None:
        names = _brief_names[kind] = names_of(kind, ("code",))
    fields: dict[str, Field] = {
        "event": str(event.__struct_config__.tag),
        "time": time_of(event.at),
        "severity": event.severity,
    }
    fill(fields, event, names)
    number = getattr(event, "code", 0)
    if number:
        fields["code"] = code_text(number)
    return fields


def names_of(kind: type[Event], left_out: Iterable[str] = ()) -> tuple[str, ...]:
    """Name the fields of a kind of event that stand for themselves in one line."""
    skipped = {*left_out, "at", "story", "steps", "load"}
    return tuple(name for name in kind.__struct_fields__ if name not in skipped)


def fill(fields: dict[str, Field], event: Event, names: Iterable[str]) -> None:
    """Add fields of an event."""
    for name in names:
        value = getattr(event, name)
        kind = type(value)
        if kind is bytes:
            fields[name] = value.decode("utf-8", "backslashreplace")
        else:
            fields[name] = value if kind in _PLAIN else _field(value)


_PLAIN = frozenset((str, int, float, bool))
_brief_names: dict[type[Event], tuple[str, ...]] = {}


def as_json(event: Event) -> bytes:
    """Return an event as one line of JSON, without newline."""
    return msgspec.json.encode(row(event))


def key_values(event: Event) -> str:
    """Return an event as `key=value` words, without its steps."""
    return words({name: value for name, value in row(event).items() if name != "steps"})


def words(fields: dict[str, Field]) -> str:
    """Write fields as `key=value`; values with blanks or quotes are JSON strings."""
    written = []
    for name, value in fields.items():
        if type(value) is int:
            written.append(f"{name}={value}")
            continue
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        written.append(f"{name}={text if _is_bare(text) else _quoted(text)}")
    return " ".join(written)


def _quoted(text: str) -> str:
    quoted = msgspec.json.encode(text).decode()
    if quoted.isprintable():
        return quoted
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in quoted)


def _field(value: object) -> Field:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Step):
        return {
            "question": value.question,
            "subject": value.subject.decode("utf-8", "backslashreplace"),
            "answer": value.answer,
            "source": value.source,
        }
    if isinstance(value, tuple | list):
        return [_field(item) for item in value]
    if isinstance(value, str | int | float) or value is None:
        return value
    return str(value)
