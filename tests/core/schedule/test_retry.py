"""qmail-send's retry times."""

from itertools import pairwise

import pytest

from glassmail.core.model.channel import Channel
from glassmail.core.schedule.retry import next_attempt


@pytest.mark.parametrize(
    ("channel", "times"),
    [
        (Channel.LOCAL, [0, 100, 400, 900, 1_600, 2_500]),
        (Channel.REMOTE, [0, 400, 1_600, 3_600, 6_400, 10_000]),
    ],
)
def test_on_time_they_are_squares(channel, times):
    born = 1_700_000_000
    for now, due in pairwise(times):
        assert next_attempt(born, born + now, channel) == born + due


def test_late_and_before_birth():
    assert next_attempt(1_000, 1_000 + 405, Channel.REMOTE) == 1_000 + 1_600
    assert next_attempt(1_000, 900, Channel.LOCAL) == 1_100
