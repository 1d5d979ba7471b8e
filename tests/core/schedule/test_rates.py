from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.schedule.rates import Limit, Rates

TEN = Limit(10, 60.0)


def test_so_many_at_once_then_the_rate():
    rates = Rates(100)
    assert [rates.take("a", TEN, 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert rates.take("b", TEN, 0.0)
    assert not rates.take("a", TEN, 0.1)
    assert rates.take("a", TEN, 60.0)


def test_who_goes_on_for_hours_is_not_shut_out_for_days():
    rates = Rates(100)
    for second in range(10_000):
        rates.take("a", TEN, float(second))
    assert rates.take("a", TEN, 10_000.0 + 120.0)


def test_given_back_and_forgotten():
    rates = Rates(100)
    for _ in range(10):
        rates.take("a", TEN, 0.0)
    rates.take("a", TEN, 0.0, -1)
    assert rates.take("a", TEN, 0.0)
    rates.forget("a")
    assert rates.level("a", TEN, 0.0) == 0.0


def test_at_most_so_many_keys():
    rates = Rates(3)
    for key in range(10):
        rates.take(key, TEN, 0.0)
    assert len(rates) == 3
    assert rates.level(9, TEN, 0.0) == 1.0
    assert rates.level(0, TEN, 0.0) == 0.0


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=100))
def test_never_more_than_the_limit_and_the_rate(gaps):
    rates, now, taken = Rates(10), 0.0, 0
    for gap in gaps:
        now += gap
        taken += rates.take("a", TEN, now)
    assert taken <= 10 + now * 10 / 60.0 + 1


def test_many_old_keys_go_at_once():
    """One at a time, each would cost a walk over all that went before it."""
    rates = Rates(160)
    sizes = set()
    for number in range(1_000):
        rates.take(number, TEN, float(number))
        sizes.add(len(rates) if number >= 160 else 160)
    assert (min(sizes), max(sizes)) == (150, 160)
    assert all(rates.level(number, TEN, 999.0) > 0 for number in range(995, 1_000))
