from glassmail.daemons.log.live import BUCKET_S, BUCKETS, KINDS, REFUSALS_KEPT, Live
from glassmail.events.process import Alerted
from tests.store.history.story import NOON, S, bounced, delivered, refused, session_ended, settled


def rates(live, at):
    return {span: {k: v for k, v in r.items() if v} for span, r in live.rates(at).items()}


def test_rates_of_a_minute_and_a_quarter_of_an_hour():
    live = Live(NOON)
    live.add(delivered(NOON, 5))
    live.add(bounced(NOON + 5 * 60 * S, 6, 7))
    live.add([settled(NOON + 5 * 60 * S, 8, outcome="Z", channel="remote")])
    now = NOON + 5 * 60 * S + 20 * S
    told = rates(live, now)
    assert told["60s"] == {"accepted": 2, "accepted_bytes": 1_800, "local_success": 1,
                           "local_failure": 1, "remote_deferral": 1, "bounced": 1, "ended": 2}
    assert told["900s"]["accepted"] == 3
    assert rates(live, now + 3_600 * S) == {"60s": {}, "900s": {}}
    assert live.totals["accepted"] == 3
    assert set(live.rates(now)["60s"]) == set(KINDS)


def test_refusals_newest_first_with_reason():
    live = Live(NOON)
    for n in range(REFUSALS_KEPT + 5):
        live.add([refused(NOON + n * S, code=1000 + n, client=f"192.0.2.{n}")])
    live.add([session_ended(NOON, code=1000)])
    last = live.refusals(2)
    assert [row["client"] for row in last] == [f"192.0.2.{REFUSALS_KEPT + 4}",
                                               f"192.0.2.{REFUSALS_KEPT + 3}"]
    assert len(live.refusals(1_000)) == REFUSALS_KEPT
    assert sum(live.checks.values()) == REFUSALS_KEPT + 5
    assert last[0]["reply"].startswith("5")


def test_troubles_are_sentences():
    live = Live(NOON)
    live.add([Alerted(NOON, "queue", "no disk")])
    assert live.troubles(5) == [{"at": NOON, "severity": "alert", "text": "queue: no disk"}]
    assert live.totals["alert"] == 1


def test_memory_is_bounded_whatever_the_times():
    live = Live(NOON)
    for n in range(5_000):
        live.add([settled(NOON + (n * 7919 % 5_000) * BUCKET_S * S, 1)])
    assert len(live._buckets) <= BUCKETS + 1
    assert live.totals["local_success"] == 5_000
