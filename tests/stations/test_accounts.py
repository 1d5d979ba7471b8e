import os

import pytest

from glassmail.core.formats import vpasswd
from glassmail.core.formats.vpasswd import Account
from glassmail.core.model.outcome import Outcome
from glassmail.core.model.questions import QUESTIONS
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.stations.accounts import VKind, vdelivermail, vdelivermail_line

HOST = b"alias.example.test"


class Domain:
    """A virtual domain's directory, `example.test`."""

    def __init__(self, directory):
        self.directory = directory
        self.accounts = []

    @property
    def path(self):
        return os.fsencode(self.directory)

    def add(self, name, flags=0, quota=b"NOQUOTA", home=None):
        home = self.path + b"/" + name if home is None else home
        self.accounts.append(Account(name, b"$6$x", b"1", flags, name, home, quota))
        (self.directory / "vpasswd").write_bytes(vpasswd.render(self.accounts))
        os.makedirs(self.path + b"/" + name)

    def decide(self, ext, argument=b"bounce-no-mailbox"):
        delivery = vdelivermail(self.path, ext, HOST, argument)
        assert delivery.steps
        assert {step.question for step in delivery.steps} <= QUESTIONS.keys()
        return delivery


@pytest.fixture
def domain(tmp_path):
    directory = tmp_path / "example.test"
    directory.mkdir()
    made = Domain(directory)
    made.add(b"bob", quota=b"20000S")
    return made


def test_a_mailbox(domain):
    delivery = domain.decide(b"Bob")
    assert delivery.kind is VKind.MAILDIR
    assert delivery.target == domain.path + b"/bob/Maildir/"
    assert delivery.directory == domain.path + b"/bob"
    # The real domain's name, for mail to an alias domain (vpopmail-delivered.txt).
    assert delivery.delivered_to == b"bob@example.test"
    assert delivery.quota == b"20000S"
    assert delivery.report is None


def test_an_extension(domain):
    delivery = domain.decide(b"bob-news-x")
    assert delivery.target == domain.path + b"/bob/Maildir/"
    assert delivery.delivered_to == b"bob@example.test"
    questions = [step.question for step in delivery.steps]
    assert questions == ["account.exists", "account.without_extension", "account.dot_qmail"]


def test_a_name_with_the_break_character_is_found_before_it_is_cut(domain):
    domain.add(b"bob-news")
    assert domain.decide(b"bob-news").delivered_to == b"bob-news@example.test"
    # Only the first break cuts: not bob-news, but bob.
    assert domain.decide(b"bob-news-x").delivered_to == b"bob@example.test"


def test_a_locked_mailbox_bounces(domain):
    domain.add(b"ann", flags=0x10)
    delivery = domain.decide(b"ann", b"delete")
    assert delivery.kind is VKind.BOUNCE
    assert delivery.report == (
        Outcome.FAILURE, b"vdelivermail: account is locked email bounced ann@example.test\n", ()
    )  # fmt: skip


def test_instructions_of_the_mailbox(domain):
    home = domain.directory / "bob"
    (home / ".qmail").write_bytes(b"&x@y.test\n./Maildir/\n")
    delivery = domain.decide(b"bob")
    assert delivery.kind is VKind.INSTRUCTIONS
    assert delivery.target == os.fsencode(home / ".qmail")
    assert delivery.data == b"&x@y.test\n./Maildir/\n"
    assert delivery.directory == os.fsencode(home)


@pytest.mark.parametrize(
    ("files", "ext", "taken"),
    [
        ({".qmail-a:b": b"x"}, b"bob-a.b", ".qmail-a:b"),
        ({".qmail-a-default": b"x", ".qmail": b"y"}, b"bob-a-c", ".qmail-a-default"),
        ({".qmail-default": b"x", ".qmail": b"y"}, b"bob-a-c", ".qmail-default"),
        ({".qmail": b"y"}, b"bob-a-c", ".qmail"),
        ({".qmail-default": b"x"}, b"bob", None),
        ({".qmail": b""}, b"bob", None),
        ({".qmail-a": b""}, b"bob-a", None),
    ],
)
def test_which_file_is_taken(domain, files, ext, taken):
    for name, data in files.items():
        (domain.directory / "bob" / name).write_bytes(data)
    delivery = domain.decide(ext)
    if taken is None:
        assert delivery.kind is VKind.MAILDIR
    else:
        assert delivery.target == os.fsencode(domain.directory / "bob" / taken)


def test_what_is_no_file_is_passed_over(domain):
    (domain.directory / "bob" / ".qmail").mkdir()
    os.mkfifo(domain.directory / "bob" / ".qmail-x")
    assert domain.decide(b"bob-x").kind is VKind.MAILDIR


def test_a_missing_directory_is_left_to_the_delivery(domain):
    os.rmdir(domain.path + b"/bob")
    delivery = domain.decide(b"bob")
    assert (delivery.kind, delivery.directory) == (VKind.MAILDIR, domain.path + b"/bob")
    assert not os.path.exists(delivery.directory)


def test_an_unreadable_file_defers(domain):
    (domain.directory / "bob" / ".qmail").symlink_to(".qmail")
    delivery = domain.decide(b"bob")
    assert delivery.kind is VKind.DEFER
    assert delivery.report.outcome is Outcome.DEFERRAL
    assert delivery.steps[-1].answer == UNKNOWN


def test_a_broken_line_defers(domain):
    (domain.directory / "vpasswd").write_bytes(b"carl:broken\n")
    delivery = domain.decide(b"carl", b"delete")
    assert delivery.kind is VKind.DEFER
    assert "vpasswd:1: 2 fields" in delivery.steps[-1].source


def test_nobody(domain):
    assert domain.decide(b"nobody", b"delete").kind is VKind.DELETE
    delivery = domain.decide(b"nobody")
    assert delivery.report == (
        Outcome.FAILURE, b"Sorry, no mailbox here by that name. (#5.1.1)\n", ()
    )  # fmt: skip
    assert [step.answer for step in delivery.steps] == [NO, "bounce-no-mailbox"]
    forward = domain.decide(b"nobody", b"x@y.test")
    assert (forward.kind, forward.target) == (VKind.FORWARD, b"x@y.test")


def test_the_text_for_nobody(domain):
    (domain.directory.parent / ".no-user.msg").write_bytes(b"None such here.\n")
    assert domain.decide(b"nobody").report.text == b"None such here.\n"
    (domain.directory / ".no-user.msg").write_bytes(b"Nor in this domain.\n")
    assert domain.decide(b"nobody").report.text == b"Nor in this domain.\n"


def test_a_directory_for_nobody(domain):
    path = domain.path + b"/bob"
    delivery = domain.decide(b"Nobody", path)
    assert delivery.kind is VKind.MAILDIR
    assert delivery.target == path + b"/Maildir/"
    text = b"user does not exist, but will deliver to " + path + b"/\n"
    assert delivery.report == (Outcome.SUCCESS, text, ())
    assert delivery.delivered_to == b"nobody@" + HOST  # vdelivermail.c: not the real domain here
    (domain.directory / "bob" / ".qmail").write_bytes(b"x@y.test\n")
    assert domain.decide(b"nobody", path + b"/").kind is VKind.INSTRUCTIONS


@pytest.mark.parametrize("ext", [b"a b", b"a:b", b"\xff", b"a\0b"])
def test_names_that_cannot_be(domain, ext):
    delivery = domain.decide(ext, b"delete")
    assert delivery.report == (Outcome.FAILURE, b"invalid username\n", ())


def test_a_host_that_cannot_be(domain):
    delivery = vdelivermail(domain.path, b"bob", b"a_b.test", b"delete")
    assert delivery.report.text == b"invalid domain name\n"


def test_program_lines(domain):
    line = b" /home/vpopmail/bin/vdelivermail '' delete"
    assert vdelivermail_line(line, domain.path, b"bob", HOST).kind is VKind.MAILDIR
    assert vdelivermail_line(b"/bin/true", domain.path, b"bob", HOST) is None
    wrong = vdelivermail_line(b"vdelivermail delete", domain.path, b"bob", HOST)
    assert wrong.report.text == b"vdelivermail: invalid syntax in .qmail-default file\n"
    assert wrong.kind is VKind.DEFER


def test_a_found_mailbox_names_its_file(domain):
    step = domain.decide(b"bob").steps[0]
    assert step.answer == YES
    assert step.source == os.fsdecode(domain.path + b"/vpasswd")
