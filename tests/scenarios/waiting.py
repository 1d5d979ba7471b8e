"""Waiting for something to become true, with a deadline instead of a fixed sleep."""

import time

POLL_S = 0.01
WITHIN_S = 20.0


def until(question, what, within_s=WITHIN_S):
    """Ask until the answer is true, and return it; fail with `what` and the last answer."""
    deadline = time.monotonic() + within_s
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}; last: {answer!r}")
        time.sleep(POLL_S)
