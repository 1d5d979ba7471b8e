"""What the bench prints: medians, ranges, ratios pair by pair, goals and the budget."""

import report


def runs(*rates):
    return [{"rate": rate, "cpu_us": 1_000_000 / rate} for rate in rates]


def test_ratios_are_taken_pair_by_pair():
    work = {"glassmail": runs(300.0, 200.0), "postfix": runs(100.0, 100.0)}
    assert report.ratios(work, "postfix", "rate") == [3.0, 2.0]


def test_the_table_says_what_was_missed():
    works = {"one-per-connection": {"glassmail": runs(200.0), "postfix": runs(100.0)}}
    table = report.markdown(works, ["postfix"])
    assert ">= 3 times Postfix: **missed**" in table
    assert "**2**" in table


def test_a_goal_that_is_met():
    works = {"relay": {"glassmail": runs(200.0, 230.0), "postfix": runs(100.0, 100.0)}}
    assert ">= 2 times Postfix: met" in report.markdown(works, ["postfix"])


def test_every_work_is_shown_and_every_goal_has_a_work():
    from run import WORKS

    assert set(WORKS) == set(report.SHOWN)
    assert {work for work, _ in report.GOALS} <= set(WORKS)
    assert {figure for shown in report.SHOWN.values() for figure in shown} <= set(report.UNITS)


def test_spread_and_numbers():
    assert report.spread([1_234.6, 1_000.0, 2_000.0]) == "1,235 (1,000..2,000)"
    assert report.spread([0.01234]) == "0.0123"


def test_the_budget_names_each_process():
    text = report.budget([{"cpu_us": 500.0, "cpu_us.smtpd": 200.0, "cpu_us.queue": 90.0}])
    assert "| smtpd | dialogue + policy | 140 | 200 |" in text
    assert "| queue | commit | 60 | 90 |" in text
