import fcntl
import os

import pytest

from glassmail.store.reply_record import ENTRIES_MAX, INTERVAL_S, take_turn

NOW = 1_795_187_040


@pytest.fixture
def path(tmp_path):
    return os.fsencode(tmp_path / "record")


def test_once_in_a_week(path):
    assert take_turn(path, b"Ann@src.test", NOW)
    assert not take_turn(path, b"ann@SRC.test", NOW + 5)
    assert take_turn(path, b"bob@src.test", NOW + 5)
    assert not take_turn(path, b"ann@src.test", NOW + INTERVAL_S - 1)
    assert take_turn(path, b"ann@src.test", NOW + INTERVAL_S)
    assert not take_turn(path, b"bob@src.test", NOW + 2 * INTERVAL_S, 3 * INTERVAL_S)


def test_a_clock_that_was_set_back(path):
    assert take_turn(path, b"ann@src.test", NOW)
    assert take_turn(path, b"ann@src.test", NOW - 100)


def test_the_file_is_bounded(path):
    for number in range(ENTRIES_MAX + 1):
        assert take_turn(path, b"%d@src.test" % number, NOW)
    with open(path, "rb") as file:
        assert file.read().count(b"\n") == ENTRIES_MAX // 2 + 1
    assert not take_turn(path, b"%d@src.test" % ENTRIES_MAX, NOW)
    assert take_turn(path, b"0@src.test", NOW)  # the oldest are forgotten
    old = b"".join(b"5 %d@src.test\n" % number for number in range(ENTRIES_MAX))
    with open(path, "wb") as file:
        file.write(old)
    assert take_turn(path, b"a@src.test", NOW)
    with open(path, "rb") as file:
        assert file.read() == b"%d a@src.test\n" % NOW


def test_a_damaged_file(path):
    with open(path, "wb") as file:
        file.write(b"\0\xff\n12\nx y\n99999999999999999999 a\n%d ann@src.test" % NOW)
    assert not take_turn(path, b"ann@src.test", NOW)
    assert take_turn(path, b"bob@src.test", NOW)
    assert not take_turn(path, b"bob@src.test", NOW)


def test_odd_addresses_keep_to_a_line(path):
    assert take_turn(path, b"a b\n\xff@src.test", NOW)
    assert not take_turn(path, b"a b\n\xff@src.test", NOW)
    with open(path, "rb") as file:
        assert file.read().count(b"\n") == 1


def test_somebody_else_is_at_it(path):
    with open(path, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not take_turn(path, b"ann@src.test", NOW)


def test_a_link_is_not_followed(path, tmp_path):
    os.symlink(tmp_path / "victim", path)
    with pytest.raises(OSError, match="symbolic"):
        take_turn(path, b"ann@src.test", NOW)
