import os

import pytest

from glassmail.core.formats.quota import Quota
from glassmail.store import maildir, maildir_quota
from glassmail.store.maildir_quota import add, has_room

LIMIT = Quota(1_000, 3)


@pytest.fixture
def path(tmp_path):
    maildir.make(os.fsencode(tmp_path / "Maildir"))
    return os.fsencode(tmp_path / "Maildir") + b"/"


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
    assert has_room(path, Quota(1_000, 0), 400)
    assert sums(path) == b"1000S\n600 3\n"
    assert not has_room(path, Quota(1_000, 0), 401)


def test_sums_are_kept_by_appending(path):
    assert has_room(path, LIMIT, 900)
    add(path, LIMIT, 900)
    assert sums(path) == b"1000S,3C\n0 0\n900 1\n"
    assert not has_room(path, LIMIT, 101)
    assert has_room(path, LIMIT, 100)


def test_the_count_of_messages_is_limited(path):
    for _ in range(3):
        add(path, LIMIT, 1)
    assert not has_room(path, LIMIT, 1)


def test_add_without_sums_counts(path):
    put(path, b"new/1", 5)
    add(path, LIMIT, 7)
    assert sums(path) == b"1000S,3C\n12 2\n"


def test_old_sums_that_say_full_are_counted_anew(path):
    add(path, LIMIT, 5_000)
    assert not has_room(path, LIMIT, 1)
    os.utime(path + b"maildirsize", (1, 1))
    assert has_room(path, LIMIT, 1)
    assert sums(path) == b"1000S,3C\n0 0\n"


@pytest.mark.parametrize(
    "text", [b"999S\n0 0\n", b"odd\n", b"1000S,3C\n1_0 1\n", b"1000S,3C\n" + b"1 1\n" * 2_000]
)
def test_sums_of_another_quota_or_torn_or_long_are_counted_anew(path, text):
    with open(path + b"maildirsize", "wb") as file:
        file.write(text)
    assert has_room(path, LIMIT, 1)
    assert sums(path) == b"1000S,3C\n0 0\n"


def test_a_link_is_not_followed(path, tmp_path):
    (tmp_path / "victim").write_bytes(b"1000S,3C\n0 0\n")
    os.symlink(tmp_path / "victim", path + b"maildirsize")
    with pytest.raises(OSError, match="symbolic"):
        add(path, LIMIT, 1)
    assert (tmp_path / "victim").read_bytes() == b"1000S,3C\n0 0\n"
    assert maildir_quota.RECOUNT_S == 900
