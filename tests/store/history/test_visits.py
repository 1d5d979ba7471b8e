import os

import apsw
import pytest

from glassmail.events import codec
from glassmail.events.case import NearQuery
from glassmail.store.history.reader import Archive
from glassmail.store.history.visits import packed, unpacked
from glassmail.store.history.writer import History
from tests.store.history.story import DAY, NOON, S, refused, session_ended


@pytest.fixture
def directory(tmp_path):
    now = [NOON]
    history = History(str(tmp_path), 30, lambda: now[0])
    for day, client, counts in (
        (0, "192.0.2.7", (1, 0)),
        (0, "192.0.2.7", (0, 2)),
        (0, "198.51.100.1", (0, 0)),
        (1, "192.0.2.7", (0, 1)),
        (1, "2001:db8::5", (1, 0)),
    ):
        now[0] = NOON + day * DAY + S
        event = session_ended(now[0], code=9, accepted=counts[0], refused=counts[1], client=client)
        history.add_events(codec.encode([event]), [event])
        history.commit()
    event = refused(now[0], code=9, client="192.0.2.7")
    event = type(event)(*[getattr(event, name) if name != "client_name" else "mx.src.test"
                          for name in event.__struct_fields__])  # fmt: skip
    history.add_events(codec.encode([event]), [event])
    history.close()
    return str(tmp_path)


def ask(directory, **query):
    archive = Archive(directory)
    try:
        return archive.visits(NearQuery(**query))
    finally:
        archive.close()


def test_a_network_is_summed_up_over_the_days(directory):
    near, visits = ask(directory, networks=("192.0.2.0 192.0.2.255",))
    assert (near.clients, near.sessions) == (4, 5)
    (visit,) = visits
    assert (visit.client, visit.sessions, visit.accepted, visit.refused) == ("192.0.2.7", 3, 1, 3)
    assert visit.name == "mx.src.test"
    assert visit.first < NOON + S < visit.last


def test_ipv6_and_names(directory):
    assert ask(directory, networks=("2001:db8:: 2001:db8::ffff",))[1][0].accepted == 1
    assert {v.client for v in ask(directory, names=("src.test",))[1]} == {
        "192.0.2.7", "198.51.100.1", "2001:db8::5",
    }  # fmt: skip
    assert ask(directory, names=("rc.test",))[1] == []


def test_the_network_of_the_ipv6_loopback_does_not_hold_all_of_ipv4(directory):
    assert ask(directory, networks=(":: ::ffff:ffff:ffff:ffff",))[1] == []
    assert ask(directory, networks=("0.0.0.0 255.255.255.255",))[0].clients == 4


def test_days_bound_it(directory):
    near, visits = ask(
        directory, networks=("192.0.2.0 192.0.2.255",), since=NOON + DAY - S, until=NOON + DAY
    )
    assert (visits[0].sessions, near.sessions) == (1, 2)


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::1"])
def test_addresses_are_packed_and_unpacked(address):
    assert unpacked(packed(address)) == address


@pytest.mark.parametrize("address", ["", "unknown", "1.2.3", "a\0b"])
def test_what_is_no_address(address):
    assert packed(address) == b""


def test_a_day_that_was_written_before_visits_were_counted(directory):
    for path in os.listdir(directory):
        db = apsw.Connection(os.path.join(directory, path))
        db.execute("DROP TABLE visit")
        db.close()
    near, visits = ask(directory, networks=("192.0.2.0 192.0.2.255",), names=("src.test",))
    assert (near.clients, near.sessions, visits) == (0, 0, [])
