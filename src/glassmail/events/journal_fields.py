"""Events as entries of systemd's journal (its native protocol: lines of FIELD=value).

MESSAGE is the line of the text log. Beside it stand PRIORITY, SYSLOG_IDENTIFIER,
SYSLOG_FACILITY, and each field of the event as GLASSMAIL_NAME, so that
`journalctl GLASSMAIL_MESSAGE=17` finds all of a message.
"""

import msgspec

from glassmail.core.formats.log_outlets import FACILITY_MAIL
from glassmail.events.event import Event
from glassmail.events.fields import brief

_PRIORITY = {"alert": 1, "warning": 4}


def entry(event: Event, text: bytes, tag: bytes) -> bytes:
    """Return the datagram of an event.

    Args:
        event: what happened.
        text: its line, without stamp and newline.
        tag: who says it.
    """
    parts = [
        _field("MESSAGE", text),
        _field("PRIORITY", b"%d" % _PRIORITY.get(event.severity, 6)),
        _field("SYSLOG_IDENTIFIER", tag),
        _field("SYSLOG_FACILITY", b"%d" % FACILITY_MAIL),
    ]
    for name, value in brief(event).items():
        if name != "severity":
            shown = value.encode("utf-8") if isinstance(value, str) else msgspec.json.encode(value)
            parts.append(_field(f"GLASSMAIL_{name.upper()}", shown))
    return b"".join(parts)


def _field(name: str, value: bytes) -> bytes:
    """One field; a value with newlines is given by its length (eight bytes, low first)."""
    if b"\n" in value:
        return b"%b\n%b%b\n" % (name.encode("ascii"), len(value).to_bytes(8, "little"), value)
    return b"%b=%b\n" % (name.encode("ascii"), value)
