"""What the running processes tell for live views, gathered: queue, log, what waits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from glassmail.admin import queue_reading
from glassmail.admin.requests import RequestError, ask_within
from glassmail.explain.queue_words import Load, Waiting, advise_queue
from glassmail.explain.waiting import Summary
from glassmail.settings.place import Place

PAGE = 1_000
PAGES_MAX = 100  # beyond it a live view looks at the oldest messages only
REFUSALS = 20
WAIT_S = 3.0  # for each answer: a picture without one part is better than none


@dataclass
class Picture:
    """One moment.

    Attributes:
        queue: the queue's figures; None when it does not answer.
        live: the log's figures, with the last refusals; None when it does not answer.
        deliveries: under way; summary: what waits; None when the caller may not see them.
        is_partial: more waits than was looked at.
        problems: who did not answer, and why.
    """

    queue: dict[str, Any] | None = None
    live: dict[str, Any] | None = None
    deliveries: list[dict[str, Any]] | None = None
    summary: Summary | None = None
    is_partial: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def load(self) -> Load:
        """Deliveries that run and may run."""
        queue = self.queue or {}
        names = ("local", "local_most", "remote", "remote_most", "stopping")
        return Load(*(queue.get(name, 0) for name in names))

    def advice(self) -> list[str]:
        """What to do about the queue, if anything."""
        if self.queue is None:
            return []
        waiting = self.summary.waiting() if self.summary is not None else _EMPTY
        # Of a queue that was looked at in part, the shares are those of the part.
        return advise_queue(waiting, self.load, self.queue["messages"])


_EMPTY = Waiting(0, 0, 0, {}, {}, {})


def look(place: Place, *, refusals: int = REFUSALS) -> Picture:
    """Ask everybody once; what does not answer is told as a problem."""
    picture = Picture()
    try:
        picture.queue = next(ask_within(WAIT_S, place.queue_socket, "stats"))
        picture.deliveries = list(ask_within(WAIT_S, place.queue_socket, "deliveries"))
        picture.summary, picture.is_partial = waiting(place, PAGES_MAX)
    except RequestError as error:
        picture.problems.append(f"queue: {error}")
    try:
        picture.live = next(ask_within(WAIT_S, place.log_socket, "live", refusals=refusals))
    except RequestError as error:
        picture.problems.append(f"log: {error}")
    return picture


def waiting(place: Place, pages_max: int) -> tuple[Summary, bool]:
    """Add up what waits, page by page; and whether there was more. Raises RequestError."""
    summary = Summary()
    after = 0
    for _page in range(pages_max):
        going_on = 0
        rows = []
        for row in _page_after(place, after):
            if set(row) == {"after"}:
                going_on = row["after"]
            else:
                rows.append(row)
        summary.add(rows)
        if not going_on:
            return summary, False
        after = going_on
    return summary, True


def _page_after(place: Place, after: int) -> Iterator[dict[str, Any]]:
    return queue_reading.tell(place, "waiting", after=after, limit=PAGE)
