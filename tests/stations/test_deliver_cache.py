"""What deliveries that came together ask of the files of a user, and when they ask anew."""

import os

import pytest

from glassmail.core.model.outcome import Outcome
from glassmail.core.route.users import User
from glassmail.stations import deliver_cache
from glassmail.stations.accounts import VKind
from glassmail.stations.deliver_cache import Glance
from glassmail.store.maildir import Folders, make

LINE = b"| vdelivermail '' bounce-no-mailbox\n"
DEFAULT = b"./Maildir/\n"


@pytest.fixture
def home(tmp_path):
    (tmp_path / ".qmail-default").write_bytes(LINE)
    (tmp_path / "vpasswd").write_bytes(b"")
    return tmp_path


@pytest.fixture
def glance():
    folders = Folders()
    yield Glance(folders)
    folders.close()


def user(home):
    path = os.fsencode(home)
    return User(b"example.test", os.geteuid(), os.getegid(), path, b"-", b"bob")


def decide(glance, home):
    path = os.fsencode(home)
    return glance.decide(LINE.strip(b"| \n"), path, b"bob", b"example.test", b"-")


def appear(home):
    path = home / "vpasswd"
    path.write_bytes(b"bob:x:1:0:bob:%b/bob:NOQUOTA\n" % os.fsencode(home))


def test_within_one_glance_a_decision_is_made_once(home, glance):
    with glance:
        assert decide(glance, home).kind is VKind.BOUNCE
        appear(home)
        assert decide(glance, home).kind is VKind.BOUNCE
    with glance:
        assert decide(glance, home).kind is VKind.MAILDIR


def test_outside_of_a_glance_every_question_is_asked(home, glance):
    assert decide(glance, home).kind is VKind.BOUNCE
    appear(home)
    assert decide(glance, home).kind is VKind.MAILDIR


def test_instructions_are_looked_for_once_in_a_glance(home, glance, monkeypatch):
    asked = []
    cached = deliver_cache.DotQmailCache.find
    monkeypatch.setattr(
        deliver_cache.DotQmailCache, "find",
        lambda self, *question: asked.append(question) or cached(self, *question),
    )  # fmt: skip
    with glance:
        for _ in range(3):
            found = glance.find(user(home), DEFAULT, False)
            assert found.name == b".qmail-default"
        assert len(asked) == 1
        assert glance.find(user(home), DEFAULT, True).report.outcome is Outcome.FAILURE
    with glance:
        (home / ".qmail-default").unlink()
        assert glance.find(user(home), DEFAULT, False).report is not None


def test_a_maildir_that_went_is_noticed_in_the_next_glance(tmp_path, glance):
    path = os.fsencode(tmp_path / "Maildir") + b"/"
    make(path)
    folders = glance._folders
    with glance:
        first = folders.open(path)
        os.rename(tmp_path / "Maildir", tmp_path / "old")
        assert folders.open(path) is first
    make(path)
    with glance:
        assert folders.open(path) is not first
