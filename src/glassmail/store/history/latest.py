"""The last messages that the history knows: for comparing with a queue that may have lost its end.

Facts come in order, so the newest records are read backwards, to the first one that holds a
message the queue knows too.
"""

from typing import NamedTuple

from glassmail.events.codec import AnyEvent
from glassmail.events.queue import Accepted, Ended
from glassmail.store.history.reader import Archive

RECORDS_MAX = 50_000
_SHOWN_RECIPIENTS = 3


class Latest(NamedTuple):
    """What the history holds beyond a queue's last message.

    Attributes:
        highest: the highest message number, 0 when none was found.
        last_fact: row number of the last of the queue's facts that is held.
        unfinished: (number, sender, recipients) of messages above the queue's last one whose end
            the history does not know, oldest first.
    """

    highest: int
    last_fact: int
    unfinished: tuple[tuple[int, str, str], ...]


def latest(directory: str, store: int, after: int) -> Latest | None:
    """Look for messages above number `after`; None when the history knows nothing of the store.

    Raises:
        HistoryError: when the directory or a file of it cannot be read.
    """
    archive = Archive(directory)
    try:
        return _latest(archive, store, after)
    finally:
        archive.close()


def _latest(archive: Archive, store: int, after: int) -> Latest | None:
    last_fact = max((archive.last_fact(day, store) for day in archive.days), default=0)
    if not last_fact:
        return None
    accepted: dict[int, Accepted] = {}
    ended: set[int] = set()
    highest = read = 0
    for day in reversed(archive.days):
        for events in archive.backwards(day):
            read += 1
            numbers = _sort(events, accepted, ended)
            highest = max([highest, *numbers])
            if read > RECORDS_MAX or any(number <= after for number in numbers):
                return _told(highest, last_fact, accepted, ended, after)
    return _told(highest, last_fact, accepted, ended, after)


def _sort(events: list[AnyEvent], accepted: dict[int, Accepted], ended: set[int]) -> list[int]:
    numbers = []
    for event in events:
        if isinstance(event, Accepted):
            accepted[event.message] = event
            numbers.append(event.message)
        elif isinstance(event, Ended):
            ended.add(event.message)
    return numbers


def _told(
    highest: int, last_fact: int, accepted: dict[int, Accepted], ended: set[int], after: int
) -> Latest:
    lost = [accepted[n] for n in sorted(accepted) if n > after and n not in ended]
    return Latest(highest, last_fact, tuple((a.message, _shown(a.sender), _all(a)) for a in lost))


def _all(accepted: Accepted) -> str:
    shown = [f"<{_shown(r)}>" for r in accepted.recipients[:_SHOWN_RECIPIENTS]]
    more = len(accepted.recipients) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _shown(address: bytes) -> str:
    return address.decode("utf-8", "backslashreplace")


