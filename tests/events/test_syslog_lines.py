import pytest

from glassmail.events.syslog_lines import CHUNK, datagrams

AT = 1_795_187_823_123_456_789


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def sent(text, facility=2):
    return list(datagrams(text, AT, b"qmail", facility))


@pytest.mark.parametrize(
    ("text", "priority"),
    [(b"new msg 5", 22), (b"warning: trouble", 20), (b"alert: cannot start", 17),
     (b" warning: no", 22)],
)  # fmt: skip
def test_one_line_is_one_datagram(text, priority):
    assert sent(text) == [
        b"<%d>Nov 20 15:17:03 qmail: 1795187823.123456 %b" % (priority, text)
    ]


def test_the_facility_is_a_number():
    assert sent(b"x", 16)[0].startswith(b"<134>")


def test_long_lines_are_folded_and_continued_with_a_plus():
    text = bytes(65 + n % 26 for n in range(2 * CHUNK + 1))
    head = b"<22>Nov 20 15:17:03 qmail: 1795187823.123456"
    assert sent(text) == [
        head + b" " + text[:CHUNK], head + b"+" + text[CHUNK : 2 * CHUNK],
        head + b"+" + text[2 * CHUNK :],
    ]  # fmt: skip


def test_nothing_unprintable_and_nothing_empty():
    assert sent(b"a\tb\xff\0") == [b"<22>Nov 20 15:17:03 qmail: 1795187823.123456 a?b??"]
    assert sent(b"") == []
