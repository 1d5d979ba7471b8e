import fcntl
import os

import pytest

from glassmail.store.tcpto import IPV4, RECORDS, TableError, TcpTimeouts

NOW = 1_800_000_000


@pytest.fixture
def table(tmp_path):
    table = TcpTimeouts(str(tmp_path / "lock"))
    assert table.create() is None
    return table


def _file(table, name="tcpto"):
    return os.path.join(table._directory, name)


def test_the_file_is_qmail_s(table):
    table.timed_out("192.0.2.7", NOW)
    with open(_file(table), "rb") as file:
        data = file.read()
    assert len(data) == 1024
    assert data[:16] == bytes([192, 0, 2, 7, 1, 0, 0, 0]) + NOW.to_bytes(8, "little")
    assert not any(data[16:])


def test_two_timeouts_skip_an_address_for_about_an_hour(table):
    table.timed_out("192.0.2.7", NOW)
    assert not table.look("192.0.2.7", NOW, 0).is_skipped
    table.timed_out("192.0.2.7", NOW + 119)
    assert table.look("192.0.2.7", NOW, 0).timeouts == 1
    table.timed_out("192.0.2.7", NOW + 120)
    known = table.look("192.0.2.7", NOW + 121, 0)
    assert known == (2, 1, True)
    assert table.look("192.0.2.7", NOW + 120 + 60 * 64 - 1, 0).is_skipped
    assert not table.look("192.0.2.7", NOW + 120 + 60 * 64, 0).is_skipped
    assert table.look("192.0.2.7", NOW + 120 + 91 * 64 - 1, 31).is_skipped
    assert not table.look("192.0.2.7", NOW + 120 + 91 * 64, 31).is_skipped
    assert table.look("192.0.2.8", NOW, 0) is None


def test_the_count_ends_at_ten_and_a_success_clears_it(table):
    for n in range(20):
        table.timed_out("192.0.2.7", NOW + n * 120)
    assert table.entries() == [("192.0.2.7", NOW + 19 * 120, 10)]
    table.succeeded("192.0.2.7")
    assert table.entries() == []
    table.succeeded("192.0.2.99")
    assert table.entries() == []


def test_a_full_table_loses_what_matters_least(table):
    for n in range(RECORDS):
        table.timed_out(f"192.0.2.{n}", NOW + n)
    for step in range(1, 9):  # the oldest one counts for more by now
        table.timed_out("192.0.2.0", NOW + step * 120)
    table.timed_out("198.51.100.1", NOW + 2000)
    known = {ip for ip, _last, _count in table.entries()}
    assert len(known) == RECORDS
    assert "198.51.100.1" in known
    assert "192.0.2.0" in known
    assert "192.0.2.1" not in known


def test_ipv6_has_a_file_of_its_own(table):
    table.timed_out("2001:db8::7", NOW)
    table.timed_out("2001:db8::7", NOW + 200)
    assert table.look("2001:db8::7", NOW + 201, 0).is_skipped
    assert table.entries() == [("2001:db8::7", NOW + 200, 2)]
    with open(_file(table), "rb") as file:
        assert not any(file.read())
    table.clear()
    assert table.entries() == []


def test_without_a_table_every_address_is_tried(tmp_path):
    table = TcpTimeouts(str(tmp_path / "nothing"))
    table.timed_out("192.0.2.7", NOW)
    table.succeeded("192.0.2.7")
    assert table.look("192.0.2.7", NOW, 0) is None
    with pytest.raises(TableError):
        table.entries()
    with pytest.raises(TableError):
        table.clear()


def test_a_lock_of_somebody_stops_no_mail(table):
    with open(_file(table), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        table.timed_out("192.0.2.7", NOW)
        assert table.look("192.0.2.7", NOW, 0) is None
    assert table.entries() == []


def test_a_short_file_has_fewer_records(table):
    with open(_file(table), "wb") as file:
        file.write(bytes(IPV4.record + 5))
    table.timed_out("192.0.2.7", NOW)
    table.timed_out("192.0.2.8", NOW)
    assert [ip for ip, _last, _count in table.entries()] == ["192.0.2.8"]


def test_create_says_what_stands_in_the_way(tmp_path):
    (tmp_path / "lock").write_bytes(b"")
    problem = TcpTimeouts(str(tmp_path / "lock" / "deeper")).create()
    assert "timeouts of connections are not kept" in problem
