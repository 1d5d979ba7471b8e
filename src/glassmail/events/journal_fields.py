"""Events as entries of systemd's journal (its native protocol: lines of FIELD=value).

MESSAGE is the line of the text log. Beside it stand PRIORITY, SYSLOG_IDENTIFIER,
SYSLOG_FACILITY, and each field of the event as GLASSMAIL_NAME, so that
`journalctl GLASSMAIL_MESSAGE=17` finds all of a message.
"""

from functools import lru_cache

import msgspec

from glassmail.core.formats.log_outlets import FACILITY_MAIL
from glassmail.events.event import Event
from glassmail.events.fields import brief

_PRIORITY = {"alert": 1, "warning": 4}


def entry(text: bytes, rest: bytes) -> bytes:
    """Return the datagram of a line.

    Args:
        text: without stamp and newline.
        rest: the other fields, of its event.
    """
    return b"MESSAGE=%b\n%b" % (text, rest)


def fields_of(event: Event, tag: bytes) -> bytes:
    """Return the fields that all lines of an event share; tag: who says it."""
    parts = [
        b"PRIORITY=%d\nSYSLOG_IDENTIFIER=%b\nSYSLOG_FACILITY=%d\n"
        % (_PRIORITY.get(event.severity, 6), tag, FACILITY_MAIL)
    ]
    for name, value in brief(event).items():
        if name == "severity":
            continue
        key = _key(name)
        if type(value) is int:
            parts.append(b"%b=%d\n" % (key, value))
            continue
        shown = value.encode("utf-8") if isinstance(value, str) else msgspec.json.encode(value)
        if b"\n" in shown:  # such a value is given by its length: eight bytes, low first
            parts.append(b"%b\n%b%b\n" % (key, len(shown).to_bytes(8, "little"), shown))
        else:
            parts.append(b"%b=%b\n" % (key, shown))
    return b"".join(parts)


@lru_cache(maxsize=1_024)
def _key(name: str) -> bytes:
    return f"GLASSMAIL_{name.upper()}".encode("ascii")
