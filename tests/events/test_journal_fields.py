from glassmail.events.journal_fields import entry, fields_of
from glassmail.events.process import Alerted
from tests.store.history.story import NOON, settled


def fields(data):
    """Read the journal's native protocol."""
    found = {}
    while data:
        line, _end, rest = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[9 + size :]
        found[name.decode()] = value
        data = rest
    return found


def test_a_delivery_has_a_field_for_each_part():
    found = fields(
        entry(b"delivery 3: x", fields_of(settled(NOON, 17, delivery=3, text=b"a\nb\n"), b"qmail"))
    )
    assert found["MESSAGE"] == b"delivery 3: x"
    assert found["PRIORITY"] == b"6"
    assert found["SYSLOG_IDENTIFIER"] == b"qmail"
    assert found["SYSLOG_FACILITY"] == b"2"
    assert found["GLASSMAIL_MESSAGE"] == b"17"
    assert found["GLASSMAIL_DELIVERY"] == b"3"
    assert found["GLASSMAIL_OUTCOME"] == b"K"
    assert found["GLASSMAIL_TEXT"] == b"a\nb\n"
    assert found["GLASSMAIL_TIME"] == b"2026-11-20T12:00:00.000000Z"
    assert "GLASSMAIL_STEPS" not in found


def test_severity_is_priority():
    found = fields(
        entry(b"alert: no disk", fields_of(Alerted(NOON, "queue", "no disk"), b"qmail"))
    )
    assert found["PRIORITY"] == b"1"
