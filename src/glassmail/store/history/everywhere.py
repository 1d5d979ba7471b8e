"""One question to all that is kept: this server's history, and what was imported from others.

Each import is an archive of its own below `history/imported/NAME`: its message numbers are another
server's, so that every archive is searched for itself and the cases are put together.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from glassmail.events.case import Case, Coverage, Found, Near, NearQuery, Query, Visit
from glassmail.store.history.day import Tail
from glassmail.store.history.days import imports_in
from glassmail.store.history.reader import Archive, summed
from glassmail.store.history.search import Search

_Head = TypeVar("_Head")
_Told = TypeVar("_Told")

GAP_NS = 3_000_000_000


def search(
    directory: str, query: Query, tails: Mapping[int, Tail] | None = None
) -> tuple[Found, list[Case]]:
    """Search everywhere; raises HistoryError when the history itself cannot be read."""
    answers = list(_each(directory, tails, lambda archive: Search(archive).find(query)))
    cases = [case for _found, told in answers for case in told]
    cases.sort(key=lambda case: case.at, reverse=True)
    heads = [found for found, _told in answers]
    return (
        Found(
            sum(found.count for found in heads),
            any(found.is_more for found in heads),
            _joined([found.coverage for found in heads]),
            tuple(text for found in heads for text in found.unread),
        ),
        cases[: query.most],
    )


def visits(
    directory: str, query: NearQuery, tails: Mapping[int, Tail] | None = None
) -> tuple[Near, list[Visit]]:
    """Tell who connected, anywhere; raises HistoryError as `find` does."""
    answers = list(_each(directory, tails, lambda archive: archive.visits(query)))
    merged: dict[str, Visit] = {}
    for _near, told in answers:
        for visit in told:
            merged[visit.client] = summed(merged.get(visit.client), visit)
    heads = [near for near, _told in answers]
    near = Near(
        sum(one.clients for one in heads),
        sum(one.sessions for one in heads),
        _joined([one.coverage for one in heads]),
    )
    return near, sorted(merged.values(), key=lambda visit: visit.last, reverse=True)


def _each(
    directory: str,
    tails: Mapping[int, Tail] | None,
    ask: Callable[[Archive], tuple[_Head, list[_Told]]],
) -> Iterator[tuple[_Head, list[_Told]]]:
    for path in (directory, *imports_in(directory)):
        archive = Archive(path, tails if path == directory else None)
        try:
            yield ask(archive)
        finally:
            archive.close()


def _joined(coverages: list[Coverage]) -> Coverage:
    """Join what several archives speak for; a time that none speaks for is a gap."""
    known = sorted((one for one in coverages if one.first), key=lambda one: one.first)
    if not known:
        return Coverage(0, 0)
    gaps = [gap for one in known for gap in one.gaps]
    end = known[0].last
    for one in known[1:]:
        if one.first - end > GAP_NS:
            gaps.append((end, one.first))
        end = max(end, one.last)
    losses = sorted(loss for one in known for loss in one.losses)
    return Coverage(known[0].first, end, tuple(sorted(gaps)), tuple(losses))
