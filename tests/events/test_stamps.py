import time

import pytest

from glassmail.core.formats.tai64n import parse
from glassmail.events.stamps import LOCAL, NONE, TAI64N, read_local, stamp_of
from glassmail.faces.compat.tai64nlocal import localize

AT = 1_795_187_823_123_456_789


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/St_Johns"])
def _zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_zone")
def test_local_times_are_those_of_tai64nlocal():
    labels, times = stamp_of(TAI64N), stamp_of(LOCAL)
    for at in (AT, AT + 1, AT + 999_999_999, AT + 86_400 * 10**9 * 200):
        assert times(at) == localize(labels(at))
        assert read_local(times(at) + b"x") == (at, b" x")


def test_none_is_nothing():
    assert stamp_of(NONE)(AT) == b""


@pytest.mark.parametrize(
    "line",
    [b"", b"new msg 5", b"2026-11-20 15:17:03", b"2026-13-20 15:17:03.123456789 x",
     b"2026-11-20T15:17:03.123456789", b"aaaa-11-20 15:17:03.123456789"],
)  # fmt: skip
def test_lines_without_a_local_time(line):
    assert read_local(line) is None


def test_labels_still_read_as_labels():
    assert parse(stamp_of(TAI64N)(AT)) == (AT, b" ")
