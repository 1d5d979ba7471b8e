import os

import pytest

from glassmail.store import domain_usage, maildir, maildir_quota


@pytest.fixture
def home(tmp_path):
    domain_usage._sums.clear()
    for name, size in (("bob", 300), ("0/ann", 200)):
        (tmp_path / name).mkdir(parents=True)
        maildir.make(os.fsencode(tmp_path / name / "Maildir"))
        (tmp_path / name / "Maildir" / "new" / f"1,S={size}").touch()
    (tmp_path / ".removed").mkdir()
    return os.fsencode(tmp_path)


def test_all_mailboxes_together(home):
    assert domain_usage.has_room(home, (600, 0), 100)
    assert not domain_usage.has_room(home, (600, 0), 101)
    assert domain_usage.has_room(home, (0, 3), 1)
    domain_usage.add(home, 50)
    assert not domain_usage.has_room(home, (600, 0), 100)
    assert not domain_usage.has_room(home, (0, 3), 1)


def test_sums_of_mailboxes_are_believed(home):
    with open(home + b"/bob/Maildir/maildirsize", "wb") as file:
        file.write(b"1000S\n10 1\n")
    assert maildir_quota.held_in(home + b"/bob/Maildir/") == (10, 1)
    assert domain_usage.has_room(home, (211, 0), 1)
    assert not domain_usage.has_room(home, (211, 0), 2)
    with open(home + b"/bob/Maildir/maildirsize", "wb") as file:
        file.write(b"much\n10 1\n")
    assert maildir_quota.held_in(home + b"/bob/Maildir/") == (300, 1)


def test_limits(home):
    path = os.path.join(os.fsdecode(home), ".qmailadmin-limits")
    assert domain_usage.limits_of(home) == (0, 0)
    for text, limits in (
        (b"quota: 2\n", (2 << 20, 0)),
        (b"maxmsgcount 7\n", (0, 7)),
        (b"quota: x\n", (0, 0)),
        (b"\0\xff", (0, 0)),
    ):
        with open(path, "wb") as file:
            file.write(text)
        domain_usage._known.clear()
        assert domain_usage.limits_of(home) == limits, text
