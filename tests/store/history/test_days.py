from glassmail.events import codec
from glassmail.store.history import days
from glassmail.store.history.days import DAY_NS, day_of, days_in
from glassmail.store.history.writer import SWEEP_NS, History
from tests.store.history.story import NOON, S, delivered


def fill(directory, count):
    """Write so many days, each with a message; return the last one's moment."""
    now = [NOON]
    history = History(str(directory), 36_500, lambda: now[0])
    for day in range(count):
        now[0] = NOON + day * DAY_NS
        events = delivered(now[0], day + 1)
        history.takes_fact(1, day + 1)
        history.add_fact(day + 1, codec.encode(events), events)
        history.commit()
    history.close()
    return now[0]


def test_the_oldest_days_go_when_all_are_too_large(tmp_path):
    now = fill(tmp_path, 6)
    assert len(days_in(str(tmp_path))) == 6
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    history = History(str(tmp_path), 36_500, lambda: now, size // 2)
    kept = days_in(str(tmp_path))
    assert 2 <= len(kept) <= 3
    assert kept[-1] == day_of(now)
    history.close()
    history = History(str(tmp_path), 36_500, lambda: now, 1)
    assert days_in(str(tmp_path)) == [day_of(now)]
    history.close()


def test_the_size_is_looked_at_every_hour(tmp_path):
    moment = [fill(tmp_path, 4)]
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    history = History(str(tmp_path), 36_500, lambda: moment[0], size * 10)
    history._keep_bytes = 1
    history.commit()
    assert len(days_in(str(tmp_path))) == 4
    moment[0] += SWEEP_NS + S
    history.commit()
    assert days_in(str(tmp_path)) == [day_of(moment[0])]
    history.close()


def test_imports_count_too(tmp_path):
    now = fill(tmp_path, 2)
    place = tmp_path / days.IMPORTS / "old"
    place.mkdir(parents=True)
    older = days.path_of(str(place), day_of(NOON) - 5)
    with open(older, "wb") as file:
        file.truncate(10_000_000)
    assert days.imports_in(str(tmp_path)) == [str(place)]
    History(str(tmp_path), 36_500, lambda: now, 5_000_000).close()
    assert len(days_in(str(tmp_path))) == 2
    assert not place.exists()
