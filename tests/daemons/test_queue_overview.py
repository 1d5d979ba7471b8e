"""What the queue tells live views, over its socket."""

import json

import pytest

from glassmail.net.messages import Failed, Request
from glassmail.stations import queue_sums
from tests.daemons.queue_site import QueueSite


@pytest.fixture
def site(tmp_path):
    made = QueueSite(tmp_path / "site")
    yield made
    made.close()


def rows(peer, verb, **arguments):
    peer.send(Request(7, verb, arguments))
    return [json.loads(row) for row in peer.receive().rows]


def test_deliveries_under_way_and_what_waits(site):
    remote = site.peer("remote")
    user = site.peer("client")
    for recipients in ([b"a@far.test", b"b@FAR.test"], [b"c@other.test"]):
        user.enqueue(recipients)
    started = remote.targets() + remote.targets()
    assert len(started) >= 2
    under_way = rows(user, "deliveries")
    assert {row["recipient"] for row in under_way} <= {"a@far.test", "b@FAR.test", "c@other.test"}
    assert {row["channel"] for row in under_way} == {"remote"}
    assert all(row["began"] > 0 and row["sender"] == "s@src.test" for row in under_way)
    told = rows(user, "waiting")
    groups = {row["domain"]: row["recipients"] for row in told if "domain" in row}
    assert groups == {"far.test": 2, "other.test": 1}
    assert {"sender": "s@src.test", "count": 2} in told
    assert {"messages": 2, "bounces": 0, "held": 0} in told
    pages = rows(user, "waiting", limit=1)
    assert pages[-1].keys() == {"after"}
    assert rows(user, "waiting", limit=1, after=pages[-1]["after"])[0]["messages"] == 1


def test_others_may_not_ask(site, monkeypatch):
    class Peer:
        uid = 12_345

    from glassmail.daemons.queue.admin import Administration

    for verb in ("deliveries", "waiting"):
        answer = Administration(None).answer(Peer(), Request(1, verb, {}), administers=False)
        assert isinstance(answer, Failed)
        assert answer.exit == 3


def test_ages_fall_into_their_places():
    row = queue_sums.WaitingRow(1, 0, "user", b"", False, 1, b"a@b", b"", None)
    group = queue_sums._Group(row)
    for age in (0, 299, 300, 1_199, 7_199, 28_799, 86_399, 259_199, 259_200, 10**9):
        group.add(row, age)
    assert group.ages == [2, 2, 1, 1, 1, 1, 2]
    assert group.recipients == 10
