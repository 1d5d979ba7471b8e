import os

import apsw
import msgspec
import pytest

from glassmail.events import codec
from glassmail.events.case import Query
from glassmail.events.process import Dropped
from glassmail.events.queue import Accepted, Ended
from glassmail.events.smtpd import Refused
from glassmail.store.history import day as day_module
from glassmail.store.history import keys, matching, search
from glassmail.store.history.day import Position
from glassmail.store.history.days import day_of, days_in, path_of, remove_before
from glassmail.store.history.reader import Archive
from glassmail.store.history.schema import HistoryError
from glassmail.store.history.search import Search
from glassmail.store.history.writer import History
from tests.store.history.story import (
    DAY,
    MS,
    NOON,
    S,
    accepted,
    bounced,
    delivered,
    refused,
    session_ended,
    settled,
    started,
)

STORE = 77


class Site:
    """A history with a clock that is moved by hand, fed as the log process feeds it."""

    def __init__(self, path, keep_days=30):
        self.path = str(path)
        self.now = NOON
        self.keep_days = keep_days
        self.number = 0
        self.history = self.open()

    def open(self):
        return History(self.path, self.keep_days, lambda: self.now)

    def facts(self, *events, per_batch=4):
        for n in range(0, len(events), per_batch):
            batch = events[n : n + per_batch]
            self.number += 1
            assert self.history.takes_fact(STORE, self.number)
            self.history.add_fact(self.number, codec.encode(batch), batch)

    def tell(self, *events):
        self.history.add_events(codec.encode(events), events)

    def find(self, *kinds, **more):
        self.history.commit()
        archive = Archive(self.path, self.history.tails)
        try:
            return Search(archive).find(Query(kinds, **more))
        finally:
            archive.close()

    def messages(self, *kinds, **more):
        return [case.message for case in self.find(*kinds, **more)[1]]


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "history")
    yield site
    site.history.close()


def events_of(case):
    return codec.decode(case.events)


def test_a_message_is_found_by_everything_that_names_it(site):
    code = 12345678901
    site.facts(*delivered(NOON, 5, code=code), *delivered(NOON + S, 6, code=code + 1))
    site.tell(session_ended(NOON + 9 * MS, code=code))
    assert site.messages("code", number=code, part=1) == [5]
    assert site.messages("code", number=code) == [5]
    assert site.messages("code", number=code, part=2) == []
    assert site.messages("message", number=6) == [6]
    assert site.messages("address", text="JOE@Here.test") == [6, 5]
    assert site.messages("address", text="a@src.test") == [6, 5]
    assert site.messages("message_id", text="<5.id@src.test>") == [5]
    assert site.messages("client", text="192.0.2.7") == [6, 5]
    assert site.messages("client", text="192.0.2.8") == []
    assert site.messages("address", text="other@here.test") == []


def test_a_rewritten_address_finds_too(site):
    site.facts(
        accepted(NOON, 5, recipients=(b"joe@virt.test",)),
        started(NOON + 1, 5, address=b"virt.test-joe@virt.test"),
    )
    assert site.messages("address", text="virt.test-joe@virt.test") == [5]


def test_the_whole_story_comes_with_it(site):
    code = 12345678901
    site.tell(refused(NOON - MS, code=code))
    site.facts(*delivered(NOON, 5, code=code))
    site.tell(session_ended(NOON + 9 * MS, code=code, refused=1))
    found, cases = site.find("message", number=5)
    assert found.count == 1
    kinds = [type(event).__name__ for event in events_of(cases[0])]
    assert kinds == ["Refused", "Accepted", "Started", "Settled", "Ended", "SessionEnded"]
    assert (cases[0].code, cases[0].part) == (code, 1)


def test_bounces_and_forwards_are_told_with_their_root(site):
    site.facts(*bounced(NOON, 5, 6))
    for kinds, more in [
        (("message",), {"number": 5}),
        (("message",), {"number": 6}),
        (("address",), {"text": "a@src.test"}),
    ]:
        found, cases = site.find(*kinds, **more)
        assert found.count == 1
        assert cases[0].message == 5
        assert {event.message for event in events_of(cases[0])} == {5, 6}


def test_a_chain_of_forwards_is_followed_from_any_link(site):
    for n in range(5):
        site.facts(*delivered(NOON + n * S, 10 + n, origin=9 + n if n else 0, kind="forward"))
    found, cases = site.find("message", number=13)
    assert (found.count, cases[0].message) == (1, 10)
    assert {event.message for event in events_of(cases[0])} == {10, 11, 12, 13, 14}


def test_a_loop_of_origins_ends(site):
    first, second = accepted(NOON, 5, origin=6), accepted(NOON, 6, origin=5)
    site.facts(first, second)
    found, _cases = site.find("message", number=5)
    assert found.count >= 1


def test_refused_attempts_have_cases_of_their_own(site):
    for n in range(3):
        site.tell(refused(NOON + n * S, code=1000 + n))
    found, cases = site.find("address", text="nobody@here.test")
    assert found.count == 3
    assert [case.code for case in cases] == [1002, 1001, 1000]
    assert [case.message for case in cases] == [0, 0, 0]
    assert all(isinstance(event, Refused) for case in cases for event in events_of(case))


def test_a_refused_message_is_found_by_each_recipient_accepted_before(site):
    others = (b"one@here.test", b"Two@here.test")
    site.tell(refused(NOON, code=7, recipient=b"", recipients=others, stage="message"))
    for text in ("one@here.test", "two@here.test"):
        found, cases = site.find("address", text=text)
        assert found.count == 1
        assert [event.recipients for event in events_of(cases[0])] == [others]


def test_a_refusal_is_told_with_the_message_that_followed(site):
    code = 1000
    site.tell(refused(NOON, code=code, part=0), refused(NOON + 2 * S, code=code, part=1))
    site.facts(*delivered(NOON + S, 5, code=code, part=1))
    site.facts(*delivered(NOON + 3 * S, 6, code=code, part=2))
    for message, at in ((5, NOON), (6, NOON + 2 * S)):
        case = site.find("message", number=message)[1][0]
        assert [e.at for e in events_of(case) if isinstance(e, Refused)] == [at]


def test_a_session_that_did_nothing_is_found_by_its_end(site):
    site.tell(session_ended(NOON, code=1000, accepted=0))
    assert site.find("code", number=1000)[0].count == 1
    assert site.find("client", text="192.0.2.7")[0].count == 1
    site.tell(session_ended(NOON, code=1001, accepted=1))
    assert site.find("client", text="192.0.2.7")[0].count == 1


def test_since_and_until(site):
    for n in range(4):
        site.now = NOON + n * DAY
        site.facts(*delivered(site.now, 10 + n))
    assert site.messages("address", text="joe@here.test") == [13, 12, 11, 10]
    assert site.messages("address", text="joe@here.test", since=NOON + 2 * DAY) == [13, 12]
    assert site.messages("address", text="joe@here.test", until=NOON + DAY) == [11, 10]
    assert len(days_in(site.path)) == 4


def test_many_matches_are_counted_and_the_newest_given(site):
    for n in range(1, 61):
        site.facts(*delivered(NOON + n * S, n))
    found, cases = site.find("address", text="joe@here.test", most=20)
    assert (found.count, found.is_more) == (60, False)
    assert [case.message for case in cases] == list(range(60, 40, -1))


def test_retries_over_days_are_one_story(site):
    site.facts(accepted(NOON, 5))
    for n in range(4):
        site.now = NOON + n * DAY
        site.facts(
            started(site.now, 5, delivery=n + 1),
            settled(site.now + S, 5, outcome="Z", delivery=n + 1, retry_at=9),
        )
    site.facts(Ended(site.now + 2 * S, 5))
    case = site.find("message", number=5)[1][0]
    assert len(events_of(case)) == 10


def test_message_numbers_that_begin_again_are_other_messages(site):
    site.facts(*delivered(NOON, 5))
    site.facts(*delivered(NOON + 60 * S, 5, recipients=(b"ann@here.test",)))
    found, cases = site.find("message", number=5)
    assert found.count == 2
    assert [len(events_of(case)) for case in cases] == [4, 4]
    assert site.find("address", text="ann@here.test")[0].count == 1


def test_a_message_older_than_the_history(site):
    site.facts(settled(NOON, 5, outcome="Z"), Ended(NOON + S, 5))
    found, cases = site.find("message", number=5)
    assert (found.count, cases[0].message) == (1, 5)
    assert len(events_of(cases[0])) == 2


def test_colliding_keys_do_not_mix_messages(site, monkeypatch):
    monkeypatch.setattr(keys, "number_key", lambda kind, number: 7)
    monkeypatch.setattr(keys, "text_key", lambda kind, text: 7)
    for module in (matching, search):
        monkeypatch.setattr(module, "number_key", lambda kind, number: 7)
    monkeypatch.setattr(matching, "text_key", lambda kind, text: 7)
    site.facts(*delivered(NOON, 5, code=1000), *bounced(NOON + S, 6, 8))
    site.tell(refused(NOON, code=1001))
    assert site.messages("message", number=5) == [5]
    assert site.messages("message", number=8) == [6]
    assert site.messages("code", number=1000) == [5]
    assert site.messages("message_id", text="8.id@src.test") == [6]
    assert site.messages("address", text="ann@here.test") == []


def test_segments_answer_as_the_tail_does(tmp_path, monkeypatch):
    monkeypatch.setattr(day_module, "SEGMENT_ENTRIES", 50)
    monkeypatch.setattr(day_module, "RECORD_BYTES", 500)
    monkeypatch.setattr(keys, "PAGE_ENTRIES", 4)
    site = Site(tmp_path / "history")
    for n in range(1, 101):
        site.facts(*delivered(NOON + n * S, n, code=5000 + n))
        if n % 7 == 0:
            site.history.commit()
    assert site.find("address", text="joe@here.test")[0].count == 100
    for n in (1, 50, 93, 100):
        assert site.messages("message", number=n) == [n]
        assert site.messages("code", number=5000 + n) == [n]
    db = apsw.Connection(path_of(site.path, day_of(NOON)))
    assert db.execute("SELECT count(*) FROM segment").get > 5
    db.close()
    site.history.close()


def test_reopening_remembers_tail_and_position(site):
    site.facts(*delivered(NOON, 5))
    site.history.close()
    site.history = site.open()
    assert site.history.durable == Position(STORE, 1)
    assert not site.history.takes_fact(STORE, 1)
    assert site.history.takes_fact(STORE, 2)
    site.facts(*delivered(NOON + S, 6))
    assert site.messages("address", text="joe@here.test") == [6, 5]


def test_a_killed_writer_leaves_what_it_committed(site):
    site.facts(*delivered(NOON, 5))
    site.history.commit()
    site.facts(*delivered(NOON + S, 6))  # not committed
    site.history = site.open()  # the old one is not closed: killed
    assert site.history.durable.last == 1
    assert site.messages("address", text="joe@here.test") == [5]
    assert site.history.takes_fact(STORE, 2)


def test_a_killed_writer_leaves_a_gap_however_soon_the_next_begins(site):
    site.history.commit()
    site.now += S // 2
    site.history = site.open()  # killed half a second after its last commit
    site.history.commit()
    assert site.find("message", number=1)[0].coverage.gaps == ((NOON, NOON + S // 2),)
    site.history.close()
    site.now += S // 2
    site.history = site.open()  # ended well
    site.history.commit()
    assert site.find("message", number=1)[0].coverage.gaps == ((NOON, NOON + S // 2),)


def test_another_queue_store_counts_anew_and_says_so(site):
    site.facts(*delivered(NOON, 5), *delivered(NOON, 6))
    site.history.commit()
    assert not site.history.takes_fact(STORE, 1)
    assert site.history.takes_fact(STORE + 1, 1)
    event = delivered(NOON + S, 1)
    site.history.add_fact(1, codec.encode(event), event)
    found, _ = site.find("message", number=1)
    assert found.count == 1
    assert "counted anew" in found.coverage.losses[0][1]
    assert site.history.durable == Position(STORE + 1, 1)


def test_missing_facts_are_named(site):
    site.facts(*delivered(NOON, 5))
    site.number = 4
    site.facts(*delivered(NOON + S, 6))
    losses = site.find("message", number=6)[0].coverage.losses
    assert losses[0][1] == "3 batches of the queue's facts never came"


def test_dropped_events_are_named(site):
    site.tell(Dropped(NOON, "smtpd", 17))
    losses = site.find("message", number=6)[0].coverage.losses
    assert losses[0][1] == "smtpd: 17 events of sessions were dropped"


def test_a_stop_and_a_start_leave_a_gap(site):
    site.history.commit()
    site.now += 10 * S
    site.history.close()
    site.now += 3_600 * S
    site.history = site.open()
    site.now += S
    coverage = site.find("message", number=1)[0].coverage
    assert coverage.gaps == ((NOON + 10 * S, NOON + 3_610 * S),)
    assert (coverage.first, coverage.last) == (NOON, NOON + 3_611 * S)


def test_midnight_is_no_gap(site):
    site.history.commit()
    site.now = NOON + 12 * 3_600 * S - S
    site.history.commit()
    site.now += 2 * S
    site.history.commit()
    site.now += 5 * S
    assert site.find("message", number=1)[0].coverage.gaps == ()


def test_facts_that_come_late_lie_in_their_day(site):
    site.now = NOON + DAY
    site.facts(*delivered(NOON, 5))
    site.history.commit()
    path = path_of(site.path, day_of(NOON))
    assert os.path.exists(path)
    assert site.messages("message", number=5) == [5]
    site.now += 2 * DAY
    site.history.commit()
    site.history.close()
    site.history = site.open()
    assert site.history.durable == Position(STORE, 1)


def test_old_days_go(tmp_path):
    site = Site(tmp_path / "history", keep_days=3)
    (tmp_path / "history" / "notes.txt").write_text("mine")
    for n in range(6):
        site.now = NOON + n * DAY
        site.facts(*delivered(site.now, 10 + n))
        site.history.commit()
    assert days_in(site.path) == [day_of(NOON) + n for n in (3, 4, 5)]
    assert (tmp_path / "history" / "notes.txt").exists()
    assert site.messages("address", text="joe@here.test") == [15, 14, 13]
    site.history.close()


def test_remove_before_takes_the_wal_too(tmp_path):
    for end in ("", "-wal", "-shm"):
        (tmp_path / f"2020-01-01.db{end}").write_text("")
    assert remove_before(str(tmp_path), day_of(NOON)) == [18262]
    assert os.listdir(tmp_path) == []


def test_a_failed_commit_holds_nothing_and_the_repeat_holds_all(site, monkeypatch):
    site.facts(*delivered(NOON, 5))
    site.history.commit()
    site.facts(*delivered(NOON + S, 6))
    site.tell(refused(NOON, code=1000))
    file = next(iter(site.history._files.values()))

    def full(*_args, **_more):
        raise apsw.FullError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(file, "_write", full)
        with pytest.raises(HistoryError, match="full"):
            site.history.commit()
    assert site.history.durable.last == 1
    assert site.messages("message", number=6) == []
    site.number = 1
    site.facts(*delivered(NOON + S, 6))
    assert site.messages("message", number=6) == [6]
    losses = site.find("message", number=6)[0].coverage.losses
    assert losses[0][1] == "1 event of sessions lost: the disk took none"


def test_a_damaged_file_is_set_aside(tmp_path):
    site = Site(tmp_path / "history")
    site.history.close()
    path = path_of(site.path, day_of(NOON))
    with open(path, "wb") as file:
        file.write(b"this is no database, only long enough to be read as one" * 100)
    site.history = site.open()
    site.facts(*delivered(NOON, 5))
    found, cases = site.find("message", number=5)
    assert len(cases) == 1
    assert "was damaged and set aside" in found.coverage.losses[0][1]
    assert any(".damaged-" in name for name in os.listdir(site.path))
    site.history.close()


def test_a_damaged_day_does_not_hide_the_others(site):
    for n in range(2):
        site.now = NOON + n * DAY
        site.facts(*delivered(site.now, 10 + n))
        site.history.commit()
    site.history.close()
    with open(path_of(site.path, day_of(NOON)), "wb") as file:
        file.write(b"garbage " * 1000)
    site.history = site.open()
    found, cases = site.find("address", text="joe@here.test")
    assert [case.message for case in cases] == [11]
    assert len(found.unread) == 1
    assert path_of(site.path, day_of(NOON)) in found.unread[0]


def test_a_clean_stop_leaves_files_that_a_stranger_can_read(site):
    site.facts(*delivered(NOON, 5))
    site.history.close()
    assert os.listdir(site.path) == ["2026-11-20.db"]
    archive = Archive(site.path)
    found, cases = Search(archive).find(Query(("message",), number=5))
    archive.close()
    assert (found.count, len(cases)) == (1, 1)
    assert os.listdir(site.path) == ["2026-11-20.db"]
    site.history = site.open()


def test_a_stopped_wal_file_is_read_as_it_stands(tmp_path, monkeypatch):
    """A reader without the right to make -shm reads a file whose WAL is empty."""
    from glassmail.store.history import reader

    site = Site(tmp_path / "history")
    site.facts(*delivered(NOON, 5))
    site.history.close()
    real = reader._open_as

    def refuse(name):
        if "immutable" not in name:
            raise apsw.ReadOnlyError("attempt to write a readonly database")
        return real(name)

    monkeypatch.setattr(reader, "_open_as", refuse)
    archive = Archive(site.path)
    assert Search(archive).find(Query(("message",), number=5))[0].count == 1
    archive.close()
    path = path_of(site.path, day_of(NOON))
    with open(path + "-wal", "wb") as file:
        file.write(b"x")
    archive = Archive(site.path)
    found, _cases = Search(archive).find(Query(("message",), number=5))
    archive.close()
    assert found.unread
    os.unlink(path + "-wal")


def test_events_of_a_broken_clock_land_today(site):
    site.tell(refused(-5, code=1000), refused(2**64 - 1, code=1001))
    site.tell(refused(NOON + 900 * DAY, code=1002))
    site.history.commit()
    assert days_in(site.path) == [day_of(NOON)]
    assert site.find("code", number=1002)[0].count == 1


def test_a_case_too_large_for_a_frame_is_cut_and_counted(site, monkeypatch):
    monkeypatch.setattr(search, "EVENTS_MAX", 100)
    recipients = tuple(b"r%d@here.test" % n for n in range(300))
    site.facts(accepted(NOON, 5, recipients=recipients))
    for n in range(300):
        site.facts(started(NOON + n + 1, 5, number=n, delivery=n + 1))
    site.facts(Ended(NOON + S, 5))
    case = site.find("message", number=5)[1][0]
    events = events_of(case)
    assert isinstance(events[0], Accepted)
    assert isinstance(events[-1], Ended)
    assert len(events) + case.left_out == 302


def test_a_refusal_of_another_sender_is_a_case_of_its_own(site):
    code = 1000
    site.tell(refused(NOON, code=code, sender=b"other@src.test"))
    site.facts(*delivered(NOON + S, 5, code=code))
    assert site.messages("address", text="nobody@here.test") == [0]
    assert site.messages("code", number=code) == [5]


def test_a_refusal_of_the_same_sender_is_told_with_the_message(site):
    code = 1000
    site.tell(refused(NOON, code=code))
    site.facts(*delivered(NOON + S, 5, code=code))
    assert site.messages("address", text="nobody@here.test") == [5]


def test_a_refused_login_is_found_by_its_account_and_hides_no_mail(site):
    login = refused(NOON, code=9, sender=b"", recipient=b"", stage="auth", reply_code=535)
    login = msgspec.structs.replace(login, login=b"joe@here.test")
    later = msgspec.structs.replace(login, stage="rcpt", code=10)  # refused after the login
    site.tell(login, later)
    site.facts(accepted(NOON + S, 5), Ended(NOON + S, 5))
    for _again in range(2):
        found, cases = site.find("login", text="Joe@here.test")
        assert (found.count, [case.code for case in cases]) == (1, [9])
        found, cases = site.find("address", text="joe@here.test")
        assert [case.message for case in cases] == [5]
        site.history.close()  # the keys are in pages, or made again
        site.history = site.open()
