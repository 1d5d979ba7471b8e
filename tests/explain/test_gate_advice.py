"""What to do about a client that was shut out."""

import pytest

from glassmail.core.model.trail import NO, YES, Step
from glassmail.explain.advice import of_refusal
from tests.covers import row

IP = b"192.0.2.7"


@pytest.mark.covers(
    "fault/blocked", "fault/too_many_connections", "fault/too_busy", "fault/too_many_logins",
    "fault/no_proxy",
)  # fmt: skip
@pytest.mark.parametrize(
    ("step", "words"),
    [
        row("fault/blocked", Step("session.blocked", IP, YES, "192.0.2.0/24: spam run; x"),
            "glass block remove 192.0.2.0/24"),
        row("fault/too_many_connections",
            Step("session.connections", IP, NO, "4 open, MAXCONNIP 3; control/tcp.smtp:1"),
            "MAXCONNIP 3"),
        row("fault/too_busy", Step("session.load", IP, NO, "load 900, MAXLOAD 800"), "MAXLOAD 800"),
        row("fault/too_many_logins", Step("session.logins", IP, NO, "more than 10 wrong passwords"),
            "glass block list"),
        row("fault/no_proxy", Step("session.proxy", IP, NO, "it is no proxy"), "control/listen"),
    ],
)  # fmt: skip
def test_what_to_do(step, words):
    advice = of_refusal((step,), b"", 421)
    assert advice.id
    assert words in advice.sentence
