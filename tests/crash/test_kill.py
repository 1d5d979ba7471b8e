"""Random kills of a random process while mail comes in; the long run is bench/kill.py's default."""

import pytest

from tests.crash.harness import run

pytestmark = pytest.mark.root


def test_random_kills_lose_nothing():
    code, text = run("kill.py", "--messages", "1000", "--seconds", "15", "--forwards", "--bounces",
                     "--seed", "11")  # fmt: skip
    assert code == 0, text
