import os

import apsw
import pytest

from glassmail.daemons.log.compacting import Compacting
from glassmail.events import codec
from glassmail.events.case import NearQuery, Query
from glassmail.store.history import everywhere
from glassmail.store.history.compact import (
    END,
    CompactStoppedError,
    compact,
    compact_days,
    is_worth_it,
)
from glassmail.store.history.days import DAY_NS, day_of, path_of
from glassmail.store.history.schema import HistoryError
from glassmail.store.history.writer import History
from tests.scenarios.waiting import until
from tests.store.history.story import NOON, S, delivered, session_ended

COUNT = 400


@pytest.fixture
def directory(tmp_path):
    """A quiet day, a message a second, and a day after it."""
    now = [NOON]
    history = History(str(tmp_path), 36_500, lambda: now[0])
    for number in range(1, COUNT + 1):
        now[0] = NOON + number * S
        events = delivered(now[0], number, code=1_000 + number)
        history.takes_fact(1, number)
        history.add_fact(number, codec.encode(events), events)
        end = [session_ended(now[0], code=1_000 + number)]
        history.add_events(codec.encode(end), end)
        history.commit()
    history.close()
    return str(tmp_path)


def answers(directory):
    """What is found, in a form that can be compared."""
    told = []
    for query in (
        Query(("code",), number=1_007), Query(("message",), number=11),
        Query(("address",), text="joe@here.test", most=50), Query(("client",), text="192.0.2.7"),
        Query(("message_id",), text="33.id@src.test"),
    ):  # fmt: skip
        found, cases = everywhere.search(directory, query)
        told.append((found.count, found.coverage, [(case.at, case.events) for case in cases]))
    told.append(everywhere.visits(directory, NearQuery(("192.0.2.0 192.0.2.255",), ())))
    return told


def test_the_answers_are_the_same_and_the_file_is_small(directory):
    path = path_of(directory, day_of(NOON))
    before, size = answers(directory), os.path.getsize(path)
    assert compact_days(directory, day_of(NOON) + 1) == [day_of(NOON)]
    assert answers(directory) == before
    assert os.path.getsize(path) < size / 2
    assert os.path.getsize(path) / COUNT < 400
    assert not is_worth_it(path)
    assert compact_days(directory, day_of(NOON) + 1) == []
    assert os.listdir(directory) == [os.path.basename(path)]


def test_days_that_may_grow_are_left_alone(directory):
    assert compact_days(directory, day_of(NOON)) == []
    now = NOON + 5 * DAY_NS
    history = History(directory, 36_500, lambda: now)
    assert history.settled_before == day_of(NOON)  # facts may still come to their last day
    events = delivered(now, 9_000)
    assert history.takes_fact(1, COUNT + 1)
    history.add_fact(COUNT + 1, codec.encode(events), events)
    history.commit()
    assert history.settled_before == day_of(now) - 1
    history.close()


def test_it_can_be_stopped_and_begun_again(directory):
    path = path_of(directory, day_of(NOON))
    before = answers(directory)
    with pytest.raises(CompactStoppedError):
        compact(path, lambda: True)
    assert not os.path.exists(path + END)
    with open(path + END, "wb") as file:
        file.write(b"left by a crash")
    compact(path)
    assert answers(directory) == before


def test_a_damaged_file_stays(directory):
    path = path_of(directory, day_of(NOON))
    db = apsw.Connection(path)
    db.execute("UPDATE record SET data=x'0199' WHERE id=50")
    db.close()
    with pytest.raises(HistoryError):
        compact(path)
    assert everywhere.search(directory, Query(("message",), number=11))[0].count == 1
    with open(path, "wb") as file:
        file.write(b"garbage" * 1_000)
    assert not is_worth_it(path)


def test_in_a_thread(directory):
    told = []
    compacting = Compacting(directory, told.append)
    compacting.closed_before(day_of(NOON) + 1)
    until(lambda: not is_worth_it(path_of(directory, day_of(NOON))), "it is done")
    compacting.closed_before(day_of(NOON) + 1)
    compacting.stop()
    assert told == []
