from datetime import UTC, timedelta, timezone

import pytest

from glassmail.core.formats.tai64n import label
from glassmail.events.line_times import take_time

S = 1_000_000_000
NOON = 1_795_176_000 * S  # 2026-11-20 12:00 UTC
TEXT = b"new msg 7"


@pytest.mark.parametrize(
    ("line", "at"),
    [
        (label(NOON + 5) + b" " + TEXT, NOON + 5),
        (b"2026-11-20 12:00:01.250000000 " + TEXT, NOON + S + S // 4),
        (b"2026-11-20 12:00:01 " + TEXT, NOON + S),
        (b"2026-11-20T12:00:01.5Z mx qmail: " + TEXT, NOON + S + S // 2),
        (b"2026-11-20T13:00:00+01:00 mx qmail[81]: " + TEXT, NOON),
        (b"Nov 20 12:00:07 mx qmail: " + TEXT, NOON + 7 * S),
        (b"Nov 20 12:00:07 mx qmail: 1795176001.000002 " + TEXT, NOON + S + 2_000),
        (b"1795176001.500000 " + TEXT, NOON + S + S // 2),
        (TEXT, 0),
    ],
)
def test_times(line, at):
    timed = take_time(line, NOON + 60 * S, UTC)
    assert (timed.at, timed.text) == (at, TEXT)


def test_local_times_are_of_the_zone():
    zone = timezone(timedelta(hours=5, minutes=30))
    assert take_time(b"2026-11-20 17:30:00 x", NOON, zone).at == NOON


def test_syslog_of_december_read_in_january_is_last_years():
    january = NOON + 45 * 86_400 * S
    assert take_time(b"Nov 20 12:00:00 mx qmail: x", january, UTC).at == NOON
    assert take_time(b"Feb 29 12:00:00 mx qmail: x", january, UTC).at == 0


@pytest.mark.parametrize("line", [b"2026-13-40 12:00:00 x", b"@4000 x", b"Nov 99 12:00:00 mx q: x"])
def test_what_only_looks_like_a_time(line):
    assert take_time(line, NOON, UTC).at == 0
