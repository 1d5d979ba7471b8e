"""Carry out one delivery in a process that has nothing else to do.

For a worker's child that runs programs, and for the command qmail-local: every want is answered
at once, Maildir files by fsyncs of their own.
"""

from collections.abc import Callable

from glassmail.core.model.outcome import Report
from glassmail.stations.deliver_requests import Forward
from glassmail.stations.deliver_wants import Commit, Course, Want
from glassmail.store.maildir import commit


def finish(course: Course, want: Want | None, forward: Callable[[Forward], None]) -> Report:
    """Run a delivery to its end.

    Args:
        course: the delivery, not yet started, or waiting for an answer to `want`.
        want: what it waits for, None when it was not started.
        forward: answers a Forward.
    """
    if want is not None:
        _answer(want, forward)
    while True:
        try:
            want = next(course)
        except StopIteration as stop:
            report: Report = stop.value
            return report
        _answer(want, forward)


def _answer(want: Want, forward: Callable[[Forward], None]) -> None:
    if isinstance(want, Commit):
        want.errors = commit(want.files)
    elif isinstance(want, Forward):
        forward(want)
    # Alone: here it may block; nothing to do.
