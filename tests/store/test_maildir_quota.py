import os

import pytest

from glassmail.core.formats.quota import Quota
from glassmail.store import maildir, maildir_quota
from glassmail.store.maildir_quota import add, percent, room, usage

LIMIT = Quota(1_000, 3)


@pytest.fixture
def path(tmp_path):
    maildir.make(os.fsencode(tmp_path / "Maildir"))
    return os.fsencode(tmp_path / "Maildir") + b"/"


def fits(path, limit, size):
    return room(path, limit, size).fits


def put(path, name, size):
    with open(path + name, "wb") as file:
        file.write(b"x" * size)


def sums(path):
    with open(path + b"maildirsize", "rb") as file:
        return file.read()


def test_the_first_question_counts(path):
    put(path, b"new/1.a,S=300", 1)
    put(path, b"cur/2.b:2,S", 200)
    maildir.make(path + b".Trash")
    put(path, b".Trash/cur/3", 900)
    maildir.make(path + b".Sent")
    put(path, b".Sent/cur/4,S=100:2,", 1)
    assert fits(path, Quota(1_000, 0), 400)
    assert sums(path) == b"1000S\n600 3\n"
    assert not fits(path, Quota(1_000, 0), 401)


def test_sums_are_kept_by_appending(path):
    assert fits(path, LIMIT, 900)
    put(path, b"new/1,S=900", 1)
    add(path, LIMIT, 900)
    assert sums(path) == b"1000S,3C\n0 0\n900 1\n"
    assert not fits(path, LIMIT, 101)
    assert fits(path, LIMIT, 100)


def test_the_count_of_messages_is_limited(path):
    for number in range(3):
        put(path, b"new/%d" % number, 1)
        add(path, LIMIT, 1)
    assert not fits(path, LIMIT, 1)


def test_add_without_sums_counts(path):
    put(path, b"new/1", 5)
    add(path, LIMIT, 7)
    assert sums(path) == b"1000S,3C\n12 2\n"


def test_an_old_count_that_says_full_is_counted_anew(path):
    add(path, LIMIT, 5_000)
    assert not fits(path, LIMIT, 1)
    os.utime(path + b"maildirsize", (1, 1))
    maildir_quota._known.clear()
    assert fits(path, LIMIT, 1)
    assert sums(path) == b"1000S,3C\n0 0\n"


def test_changes_that_say_full_are_counted_anew_at_once(path):
    assert fits(path, LIMIT, 1)
    add(path, LIMIT, 5_000)  # a message that somebody removed without a word
    assert not fits(path, LIMIT, 1)  # or one on its way into new/: this process has just counted
    maildir_quota._known.clear()
    assert fits(path, LIMIT, 1)
    assert sums(path) == b"1000S,3C\n0 0\n"


def test_only_what_is_new_is_read(path):
    assert fits(path, LIMIT, 1)
    for size in (100, 200):
        add(path, LIMIT, size)
    assert room(path, LIMIT, 1) == (True, 300, 2)
    with open(path + b"maildirsize", "ab") as file:
        file.write(b"-100 -1\n5")  # a line that is not yet whole
    assert room(path, LIMIT, 1) == (True, 200, 1)
    with open(path + b"maildirsize", "ab") as file:
        file.write(b"0 1\n")
    assert room(path, LIMIT, 1) == (True, 250, 2)


def test_a_replaced_file_is_read_from_its_start(path):
    assert fits(path, LIMIT, 1)
    add(path, LIMIT, 100)
    assert room(path, LIMIT, 1).held == 100
    with open(path + b"maildirsize", "r+b") as file:  # the same inode, as a reused number is
        file.truncate()
        file.write(b"1000S,3C\n700 1\n5 1\n")
    assert room(path, LIMIT, 1).held == 705


def test_a_long_file_is_shortened_and_counted_after_a_while(path):
    limit = Quota(1_000_000, 0)
    assert fits(path, limit, 1)
    for number in range(1_000):
        assert room(path, limit, 1) == (True, number * 100, number)  # our own count is fresh
        add(path, limit, 100)
        assert len(sums(path)) < 5_200
    for _ in range(1_000):
        add(path, limit, 100)
    assert room(path, limit, 1) == (True, 0, 0)


def test_how_full(path):
    assert percent(90, 1, Quota(100, 0)) == 90
    assert percent(10, 95, Quota(100, 100)) == 95
    put(path, b"new/1.a,S=300", 1)
    assert usage(path, LIMIT) == (300, 1)
    assert not os.path.exists(path + b"maildirsize")
    assert fits(path, LIMIT, 1)
    add(path, LIMIT, 7)
    assert usage(path, LIMIT) == (307, 2)


@pytest.mark.parametrize(
    "text", [b"999S\n0 0\n", b"odd\n", b"1000S,3C\n1_0 1\n", b"1000S,3C\n" + b"1 1\n" * 2_000]
)
def test_sums_of_another_quota_or_torn_or_long_are_counted_anew(path, text):
    with open(path + b"maildirsize", "wb") as file:
        file.write(text)
    assert fits(path, LIMIT, 1)
    assert sums(path) == b"1000S,3C\n0 0\n"


def test_a_link_is_not_followed(path, tmp_path):
    (tmp_path / "victim").write_bytes(b"1000S,3C\n0 0\n")
    os.symlink(tmp_path / "victim", path + b"maildirsize")
    with pytest.raises(OSError, match="symbolic"):
        add(path, LIMIT, 1)
    assert (tmp_path / "victim").read_bytes() == b"1000S,3C\n0 0\n"
    assert maildir_quota.RECOUNT_S == 900
