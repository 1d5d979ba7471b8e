"""Find cases in the history: messages with all that came of them, and refused sessions.

Purpose:
    `find` reads the records that the keys of a query name, newest first, compares the events
    themselves (hashes may collide), and gathers for each match its whole case: from the root of
    its forwards and bounces down to the last of them.

Always:
    - Work is bounded: COUNTING_S seconds and RECORDS_MAX records are read to count matches,
      EVENTS_MAX events are given per case, and what was left out is counted.
    - On a busy day each look-up without a time costs a page of every segment: once a moment is
      known, only the segments around it are searched first.
    - Message numbers of a queue store made anew begin again: events of a number belong to the
      acceptance before them.
"""

import time
from collections.abc import Callable, Iterator

from glassmail.events import codec
from glassmail.events.case import Case, Found, Query
from glassmail.events.codec import AnyEvent
from glassmail.events.queue import Accepted, Ended
from glassmail.events.smtpd import Handed, Refused, SessionEnded
from glassmail.store.history.days import day_of
from glassmail.store.history.keys import message_key, number_key
from glassmail.store.history.matching import is_wanted, keys_of, matches, restricting_keys
from glassmail.store.history.reader import Archive
from glassmail.store.history.viewing import is_asked_for, visible

RECORDS_MAX = 2_000  # read to find and count matches
CASES_COUNTED_MAX = 1_000
COUNTING_S = 0.4  # for matches beyond those that are told
EVENTS_MAX = 4_000  # of one case
CASE_BYTES_MAX = 2_000_000  # encoded; it travels in one frame
FAMILY_MAX = 50  # messages of one case
DEPTH_MAX = 8  # forwards of forwards, bounces of bounces
CLIMB_MAX = 8
NEAR_NS = 600_000_000_000  # most of what belongs together happens within ten minutes
SESSION_NS = 3_600_000_000_000  # what a session did is looked for so long before and after

_Identity = tuple[str, int, int]  # ("m", message, accepted at) or ("s", code, part)


class Search:
    """One search over an archive."""

    def __init__(self, archive: Archive, clock: Callable[[], float] = time.monotonic) -> None:
        """Search an archive; the clock bounds the time for counting."""
        self._archive = archive
        self._clock = clock
        self._records_read = 0

    def find(self, query: Query) -> tuple[Found, list[Case]]:
        """Find the cases of a query, newest first; others are counted as long as time is left."""
        deadline = self._clock() + COUNTING_S
        cases: list[Case] = []
        seen: set[_Identity] = set()
        unwanted = 0
        is_more = False
        for event in self._seeds(query):
            root = self._root(event, query)
            if root is None:
                continue
            identity = _identity(root)
            if identity in seen:
                continue
            seen.add(identity)
            if not is_wanted((event, root), query):
                unwanted += 1
                continue
            case = self._case(root) if len(cases) < query.most else None
            if query.viewer:
                # What is somebody else's is not even counted.
                case = visible(case, query.viewer) if case is not None else None
                case = case if case is not None and is_asked_for(case, query) else None
                if case is None:
                    unwanted += 1
            if case is not None:
                cases.append(case)
            is_late = len(cases) >= query.most and self._clock() > deadline
            if len(seen) >= CASES_COUNTED_MAX or is_late:
                is_more = True
                break
        is_more = is_more or self._records_read >= RECORDS_MAX
        count, coverage = len(seen) - unwanted, self._archive.coverage()
        found = Found(count, is_more, coverage, tuple(self._archive.unread.values()))
        # Newest beginning first: an old message may have had its last attempt a moment ago.
        cases.sort(key=lambda case: case.at, reverse=True)
        return found, cases

    # --- what matches ---

    def _seeds(self, query: Query) -> Iterator[AnyEvent]:
        """Yield the events that match, newest first."""
        keys, also = keys_of(query), restricting_keys(query)
        for day in reversed(self._archive.days):
            if query.since and day < day_of(query.since):
                return
            if query.until and day > day_of(query.until):
                continue
            numbers: set[int] = set()
            for key in keys:
                numbers.update(self._archive.records(day, key, query.since, query.until))
            if "time" in query.kinds:
                numbers.update(self._archive.records_between(day, query.since, query.until))
            for key in also if numbers else ():
                # An acceptance or refusal names sender and recipient: one record holds both.
                numbers &= set(self._archive.records(day, key, query.since, query.until))
            for number in sorted(numbers, reverse=True):
                if self._records_read >= RECORDS_MAX:
                    return
                self._records_read += 1
                for event in reversed(self._archive.events(day, number)):
                    if matches(event, query):
                        yield event

    def _root(self, event: AnyEvent, query: Query) -> AnyEvent | None:
        """Return the event a match's case begins with: an Accepted, or a Refused or end."""
        if isinstance(event, Handed):
            return event
        if isinstance(event, Refused | SessionEnded):
            message = self._accepted_of_session(event)
            is_told = message is not None and (
                "code" in query.kinds or message.sender == getattr(event, "sender", b"")
            )  # another sender is another transaction of the session
            return message if is_told else event
        number = getattr(event, "message", 0)
        accepted = event if isinstance(event, Accepted) else self._accepted(number, event.at)
        if accepted is None:
            return event  # the acceptance is older than the history: tell what there is
        for _ in range(CLIMB_MAX):
            if not accepted.origin:
                break
            parent = self._accepted(accepted.origin, accepted.at)
            if parent is None:
                break
            accepted = parent
        return accepted

    def _accepted_of_session(self, event: Refused | SessionEnded) -> Accepted | None:
        """Return the message that a refusal is told with, when its session sent one.

        A refusal's part is the number of messages handed in before it: it belongs to the next
        message; when none followed, to the last one.
        """
        if not isinstance(event, Refused) or not event.code:
            return None
        found: Accepted | None = None
        for other in self._around(number_key(b"c", event.code), event.at):
            if isinstance(other, Accepted) and other.code == event.code:
                if other.part == event.part + 1:
                    return other
                if other.part == event.part:
                    found = other
        return found

    def _accepted(self, number: int, before: int) -> Accepted | None:
        """Return the newest acceptance of a message number that is not after a moment."""
        key = message_key(number)
        near = max(0, before - NEAR_NS)
        best = self._newest(self._between(key, near, before), number, before)
        if best is not None:
            return best
        for day in reversed(self._archive.days):
            if day <= day_of(before):
                best = self._newest(self._with_key(key, (day,), 0, before), number, before)
                if best is not None:
                    return best
        return None

    @staticmethod
    def _newest(events: Iterator[AnyEvent], number: int, before: int) -> Accepted | None:
        found = [
            event
            for event in events
            if isinstance(event, Accepted) and event.message == number and event.at <= before
        ]
        return max(found, key=lambda event: event.at, default=None)

    # --- what belongs to it ---

    def _case(self, root: AnyEvent) -> Case:
        code, part = getattr(root, "code", 0), _part_of(root)
        message = 0
        if isinstance(root, Refused | SessionEnded | Handed):
            events = self._session(root, part)
        elif isinstance(root, Accepted):
            message = root.message
            events = self._family(root)
            if code:
                events += self._session(root, part)
        else:
            message = getattr(root, "message", 0)
            events = self._of_message(message, 0, day_of(root.at))
        events = sorted(dict.fromkeys(events), key=lambda event: event.at)
        kept, data = _fitting(events)
        return Case(message, code, part, data, len(events) - kept, root.at)

    def _family(self, root: Accepted) -> list[AnyEvent]:
        """Gather a message, its bounces and forwards, theirs, and so on."""
        events: list[AnyEvent] = []
        waiting = [(root, 0)]
        seen: set[tuple[int, int]] = set()
        while waiting and len(seen) < FAMILY_MAX:
            accepted, depth = waiting.pop(0)
            if (accepted.message, accepted.at) in seen:
                continue
            seen.add((accepted.message, accepted.at))
            own = self._of_message(accepted.message, accepted.at, day_of(accepted.at))
            events += own
            if depth < DEPTH_MAX and len(events) < EVENTS_MAX:
                last = max((event.at for event in own), default=accepted.at)
                waiting += [(child, depth + 1) for child in self._children(accepted, last)]
        return events

    def _of_message(self, number: int, since: int, first_day: int) -> list[AnyEvent]:
        """Return a message's events from its acceptance to its end."""
        key = message_key(number)
        if since:
            events = self._life(self._between(key, since, since + NEAR_NS), number, since)
            if events and isinstance(events[-1], Ended):
                return events
        events = []
        for day in self._archive.days:
            if day >= first_day:
                events += self._life(self._with_key(key, (day,), since), number, since)
                if any(isinstance(event, Ended) for event in events):
                    break
        return events

    @staticmethod
    def _life(found: Iterator[AnyEvent], number: int, since: int) -> list[AnyEvent]:
        """Keep a message's events from an acceptance up to its end."""
        events: list[AnyEvent] = []
        for event in found:
            if getattr(event, "message", 0) != number or event.at < since:
                continue
            if isinstance(event, Accepted) and event.at > since and since:
                break  # the number's next life
            events.append(event)
            if isinstance(event, Ended) and since:
                break
        return events

    def _children(self, parent: Accepted, last: int) -> list[Accepted]:
        """Return the bounces and forwards of a message, oldest first."""
        key = number_key(b"o", parent.message)
        return [
            event
            for event in self._between(key, parent.at, last)
            if isinstance(event, Accepted)
            and event.origin == parent.message
            and parent.at <= event.at
        ]

    def _session(self, event: AnyEvent, part: int) -> list[AnyEvent]:
        """Return refusals and end of the session that an event belongs to."""
        code = getattr(event, "code", 0)
        if not code:
            return [event]
        others = list(self._around(number_key(b"c", code), event.at))
        if isinstance(event, Accepted):
            # as in _accepted_of_session: what came before it, and after it when it was the last
            is_last = not any(
                isinstance(other, Accepted) and other.code == code and other.part == part + 1
                for other in others
            )
            parts = {part - 1, part} if is_last else {part - 1}
        else:
            parts = {part}
        return [
            other
            for other in others
            if (isinstance(other, SessionEnded) and other.code == code)
            or (
                isinstance(other, Refused | Handed) and other.code == code and other.part in parts
            )
        ]

    def _around(self, key: int, at: int) -> Iterator[AnyEvent]:
        """Yield all events of the records around a moment that hold a key, oldest first."""
        return self._between(key, max(0, at - SESSION_NS), at + SESSION_NS)

    def _between(self, key: int, since: int, until: int) -> Iterator[AnyEvent]:
        """Yield all events of the records of a time that hold a key, oldest first."""
        return self._with_key(key, range(day_of(since), day_of(until) + 1), since, until)

    def _with_key(
        self, key: int, days: tuple[int, ...] | range, since: int = 0, until: int = 0
    ) -> Iterator[AnyEvent]:
        """Yield all events of the records that hold a key, oldest first."""
        for day in self._archive.days:
            if day in days:
                for number in reversed(self._archive.records(day, key, since, until)):
                    yield from self._archive.events(day, number)


def _fitting(events: list[AnyEvent]) -> tuple[int, bytes]:
    """Encode so many events as a case may have: the first explain, the last tell how it stands."""
    half = min(len(events), EVENTS_MAX) // 2
    data = b""
    while half:
        kept = events if len(events) <= half * 2 + 1 else events[:half] + events[-half:]
        data = codec.encode(kept)
        if len(data) <= CASE_BYTES_MAX:
            return len(kept), data
        half //= 2
    return len(events[:1]), codec.encode(events[:1])


def _part_of(root: AnyEvent) -> int:
    """How many messages its session had handed in before it; of a message, its own number."""
    return root.accepted if isinstance(root, SessionEnded) else getattr(root, "part", 0)


def _identity(root: AnyEvent) -> _Identity:
    if isinstance(root, Refused | SessionEnded | Handed):
        code = root.code or root.at
        return "s", code, _part_of(root)
    return "m", getattr(root, "message", 0), root.at if isinstance(root, Accepted) else 0
