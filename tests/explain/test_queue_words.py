import pytest

from glassmail.explain.queue_words import MANY, Load, Waiting, advise_queue, load_words, status_line
from glassmail.explain.waiting import NEW, UNKNOWN, Summary

LOAD = Load(0, 15, 1, 120)


def test_the_status_line_in_words():
    assert status_line(LOAD) == "status: local 0/15 remote 1/120"
    assert load_words(LOAD) == [
        "no local delivery is running (up to 15 may: control/concurrencylocal)",
        "1 of 120 remote deliveries are running (control/concurrencyremote)",
    ]
    full = Load(0, 0, 20, 20, True)
    assert status_line(full) == "status: local 0/0 remote 20/20 exitasap"
    off, busy, exiting = load_words(full)
    assert off.startswith("control/concurrencylocal is 0")
    assert busy.startswith("all 20 remote deliveries")
    assert exiting.startswith("the server is ending")


def waiting(**more):
    return Waiting(30_000, 30_000, 0, {}, {}, {})._replace(**more)


def test_up_to_25000_nothing_is_said():
    assert advise_queue(waiting(messages=MANY), LOAD, MANY) == []
    assert len(advise_queue(waiting(), LOAD, MANY + 1)) == 1


@pytest.mark.parametrize(
    ("more", "load", "part"),
    [({"destinations": {"far.test": 29_000, "x": 1_000}}, LOAD, "97 % of them go to far.test"),
     ({"senders": {"news@a.test": 20_000}}, LOAD, "67 % of them come from news@a.test"),
     ({"causes": {"the other server greylists": 16_000}}, LOAD, "wait because the other server"),
     ({"bounces": 20_000}, LOAD, "checkrecipients = 1"),
     ({}, Load(0, 15, 120, 120), "every remote slot is busy"),
     ({}, Load(15, 15, 0, 120), "every local slot is busy")],
)  # fmt: skip
def test_what_stands_out_is_named(more, load, part):
    told = advise_queue(waiting(**more), load, 30_000)
    assert told[0].startswith("30,000 messages wait, more than 25,000")
    assert len(told) == 2
    assert part in told[1]


def group(domain, text="", count=1, **more):
    ages = [count, 0, 0, 0, 0, 0, 0]
    return {"channel": "remote", "domain": domain, "text": text, "recipients": count,
            "ages": ages, "oldest": 100, "next": 200, "example": 7} | more


GREY = "192.0.2.{} does not like recipient.\nRemote host said: 451 4.7.1 greylisted\n"


def test_pages_are_added_up_and_causes_joined():
    summary = Summary().add([
        {"messages": 2, "bounces": 1, "held": 0}, group("a.test", GREY.format(1), 3),
        group("b.test", GREY.format(2), 4, oldest=50, next=0), {"sender": "x@y.test", "count": 2},
    ])  # fmt: skip
    more = [{"messages": 1, "bounces": 0, "held": 1}, group("a.test", ""), group("c.test", "?!")]
    summary.add(more)
    assert (summary.messages, summary.bounces, summary.held, summary.recipients) == (3, 1, 1, 9)
    assert [(p.name, p.recipients) for p in summary.biggest(2)] == [("a.test", 4), ("b.test", 4)]
    reasons = summary.reasons()
    assert [p.recipients for p in reasons] == [7, 1, 1]
    assert reasons[0].name.startswith("the other server greylists")
    assert reasons[0].beside == {"a.test": 3, "b.test": 4}
    assert (reasons[0].oldest, reasons[0].next) == (50, 200)
    assert {p.name for p in reasons[1:]} == {NEW, UNKNOWN}
    assert summary.waiting().causes.keys() == {reasons[0].name}
