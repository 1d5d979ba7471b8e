from datetime import UTC, timedelta, timezone

import pytest

from glassmail.explain.moments import (
    MomentError,
    parse_moment,
    show_clock,
    show_moment,
    show_span,
)

S = 1_000_000_000
NOW = 1_795_187_823 * S + 410_000_000  # 2026-11-20 15:17:03.41 UTC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", "2026-11-20 13:17:03"),
        ("3d", "2026-11-17 15:17:03"),
        ("15 min ago", "2026-11-20 15:02:03"),
        ("90s", "2026-11-20 15:15:33"),
        ("1w", "2026-11-13 15:17:03"),
        ("14:30", "2026-11-20 14:30:00"),
        ("14:30:15", "2026-11-20 14:30:15"),
        ("today", "2026-11-20 00:00:00"),
        ("Yesterday", "2026-11-19 00:00:00"),
        ("2026-11-19", "2026-11-19 00:00:00"),
        ("2026-11-19 23:59", "2026-11-19 23:59:00"),
        ("2026-11-19T23:59:01+01:00", "2026-11-19 22:59:01"),
    ],
)
def test_moments(text, expected):
    assert show_moment(parse_moment(text, NOW, UTC), UTC) == expected


@pytest.mark.parametrize("text", ["", "soon", "25:00", "2026-13-01", "-2h", "2 years", "\u0662h"])
def test_what_is_no_moment(text):
    with pytest.raises(MomentError, match="write `2h`"):
        parse_moment(text, NOW, UTC)


def test_times_are_shown_in_the_zone_asked_for():
    zone = timezone(timedelta(hours=1))
    assert show_moment(NOW, zone) == "2026-11-20 16:17:03"
    assert show_clock(NOW, zone) == "16:17:03.410"
    assert show_moment(2**90, zone).startswith("1970")  # a damaged record does not end the story


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (0, "0 ms"),
        (-5, "0 ms"),
        (12 * 10**6, "12 ms"),
        (3_500 * 10**6, "3.5 s"),
        (45 * S, "45 s"),
        (1_200 * S, "20 min"),
        (10_800 * S, "3 h"),
        (500_000 * S, "6 days"),
    ],
)
def test_spans(span, expected):
    assert show_span(span) == expected
