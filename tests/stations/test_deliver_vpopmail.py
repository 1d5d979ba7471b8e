import os

import pytest

from glassmail.core.model.outcome import Outcome
from glassmail.store import domain_usage
from tests.stations.delivery import BODY, HEAD, Home, answers

K, Z, D = Outcome.SUCCESS, Outcome.DEFERRAL, Outcome.FAILURE
LINE = b"| /home/vpopmail/bin/vdelivermail '' bounce-no-mailbox\n"


class Domain(Home):
    """A virtual domain's directory in vpopmail's layout."""

    def __init__(self, directory):
        super().__init__(directory)
        self.accounts = []
        self.write(".qmail-default", LINE)

    def account(self, name, quota="NOQUOTA", flags=0):
        directory = self.directory / name
        self.accounts.append(f"{name}:x:1:{flags}:{name}:{directory}:{quota}:\n")
        self.write("vpasswd", "".join(sorted(self.accounts)).encode())
        return directory

    def to(self, name, **changes):
        report = self.deliver(name, local=b"example.com-" + name, host=b"example.com", **changes)
        return report.outcome, report.text, report

    def mailbox(self, name):
        return self.new(f"{name}/Maildir")


@pytest.fixture
def domain(tmp_path):
    return Domain(tmp_path / "example.com")


def test_into_the_mailbox_which_is_made_when_missing(domain):
    domain.account("bob")
    outcome, text, report = domain.to(b"bob")
    assert (outcome, text) == (K, b"did 0+0+1\n")
    ((name, content),) = domain.mailbox("bob").items()
    top = b"Return-Path: <sender@src.test>\nDelivered-To: bob@example.com\n"
    assert content == top + HEAD + BODY
    assert f",S={len(content)},W=" in name
    assert answers(report, "delivery.program") == [(LINE[2:-1], "exit 0")]
    before = domain.mailbox("bob")
    assert domain.to(b"bob", attempt=1)[0] is K
    assert domain.mailbox("bob") == before
    assert domain.to(b"bob-news")[0] is K  # the part before the first `-`


@pytest.mark.covers("control/breakcharacter")
def test_the_break_character_of_the_site(domain):
    domain.account("bob")
    domain.terms = domain.terms._replace(break_character=b"+")
    assert domain.to(b"bob+news")[0] is K
    assert domain.to(b"bob-news")[0] is D
    domain.terms = domain.terms._replace(break_character=b"")
    assert domain.to(b"bob+news")[0] is D


def test_for_nobody(domain):
    text = b"Sorry, no mailbox here by that name. (#5.1.1)\n"
    domain.account("bob")
    assert domain.to(b"nosuch")[:2] == (D, text)
    domain.write(".qmail-default", LINE.replace(b"bounce-no-mailbox", b"delete"))
    assert domain.to(b"nosuch")[:2] == (K, b"did 0+0+1\n")
    domain.write(".qmail-default", LINE.replace(b"bounce-no-mailbox", b"other@x.test"))
    assert domain.to(b"nosuch")[:2] == (K, b"did 0+0+1\n")
    top = b"Delivered-To: nosuch@example.com\n"
    assert domain.forwards == [(b"sender@src.test", (b"other@x.test",), top)]
    domain.answer = ("Z", b"qq trouble (#4.3.0)")
    assert domain.to(b"nosuch")[:2] == (Z, b"system error calling qmail-inject\n")


def test_wrong_arguments_are_deferred(domain):
    domain.write(".qmail-default", b"|vdelivermail ''\n")
    text = b"vdelivermail: invalid syntax in .qmail-default file\n"
    assert domain.to(b"bob")[:2] == (Z, text)


def test_a_locked_account(domain):
    domain.account("bob", flags=0x10)
    text = b"vdelivermail: account is locked email bounced bob@example.com\n"
    assert domain.to(b"bob")[:2] == (D, text)


def test_looping(domain):
    domain.account("bob")
    looping = b"Delivered-To: bob@example.com\n" + BODY
    assert domain.to(b"bob", body=looping)[:2] == (D, b"mail is looping\n")


def test_over_quota(domain):
    domain.account("bob", "1000S")
    assert domain.to(b"bob", body=BODY + b"x" * 600)[0] is K
    big = BODY + b"y" * 700
    assert domain.to(b"bob", body=big, message=6)[:2] == (D, b"user is over quota\n\n")
    domain.write(".over-quota.msg", b"Full. (#5.2.2)\n")
    assert domain.to(b"bob", body=big, message=7)[:2] == (D, b"Full. (#5.2.2)\n\n")
    assert len(domain.mailbox("bob")) == 1


def test_a_message_that_filled_the_mailbox_is_not_bounced_when_repeated(domain):
    domain.account("bob", "1000S")
    body = BODY + b"x" * 600
    assert domain.to(b"bob", body=body)[0] is K
    assert domain.to(b"bob", body=body, attempt=1)[0] is K
    sums = (domain.directory / "bob/Maildir/maildirsize").read_bytes()
    assert sums.count(b"\n") == 3  # the quota, the first count, one message


WARNING = b"From: Postmaster <postmaster@example.com>\r\nSubject: nearly full\r\n\r\nTidy up.\r\n"


def test_one_warning_a_day_from_90_percent_on(domain):
    domain.account("bob", "2000S")
    domain.write(".quotawarn.msg", WARNING)
    assert domain.to(b"bob", body=BODY + b"x" * 1_500)[0] is K
    assert len(domain.mailbox("bob")) == 1
    assert domain.to(b"bob", message=6)[0] is K
    texts = list(domain.mailbox("bob").values())
    assert len(texts) == 3
    (warning,) = [text for text in texts if b"nearly full" in text]
    assert warning.startswith(b"Return-Path: <>\nDelivered-To: bob@example.com\nDate: ")
    assert b"\nAuto-Submitted: auto-generated\nFrom: Postmaster <postmaster@" in warning
    assert warning.endswith(b"\n\nTidy up.\n")
    sums = (domain.directory / "bob/Maildir/maildirsize").read_bytes()
    assert sums.endswith(b"\n%d 1\n" % len(warning))


def test_warned_within_a_day_and_after(domain):
    domain.account("bob", "10000S")
    domain.write(".quotawarn.msg", b"No header here.\n")
    domain.to(b"bob", body=BODY + b"x" * 9_000)
    assert len(domain.mailbox("bob")) == 2
    domain.to(b"bob", message=6)
    assert len(domain.mailbox("bob")) == 3
    os.utime(domain.directory / "bob/Maildir/quotawarn", (1, 1))
    domain.to(b"bob", message=7)
    texts = list(domain.mailbox("bob").values())
    warnings = [text for text in texts if b"\n\nNo header here.\n" in text]
    assert (len(texts), len(warnings)) == (5, 2)
    assert b"\nSubject: Your mailbox is nearly full\n" in warnings[0]


def test_without_a_text_nobody_is_warned(domain):
    domain.account("bob", "1000S")
    domain.to(b"bob", body=BODY + b"x" * 750)
    assert len(domain.mailbox("bob")) == 1
    assert not (domain.directory / "bob/Maildir/quotawarn").exists()


def test_the_warning_of_all_domains(domain):
    domain.account("bob", "1000S")
    (domain.directory.parent / ".quotawarn.msg").write_bytes(WARNING)
    domain.to(b"bob", body=BODY + b"x" * 750)
    assert len(domain.mailbox("bob")) == 2


def test_a_domain_s_own_quota(domain):
    domain.account("bob")
    domain.account("ann", "900S")
    domain.write(".qmailadmin-limits", b"quota: 1\nmaxmsgcount 3\n")
    half = BODY + b"x" * 500_000
    assert domain.to(b"bob", body=half)[0] is K
    assert domain.to(b"ann", message=6)[0] is K
    outcome, text, report = domain.to(b"bob", body=half + half, message=7)
    assert (outcome, text) == (D, b"domain is over quota\n")
    assert answers(report, "delivery.quota") == [(domain.path, "no")]
    assert domain.to(b"bob", message=8)[0] is K
    assert domain.to(b"ann", message=9)[:2] == (D, b"domain is over quota\n")
    assert domain.to(b"bob", message=8, attempt=1)[0] is K  # it is there already
    domain.write(".qmailadmin-limits", b"quota: 1\n")
    domain_usage._known.clear()
    assert domain.to(b"ann", message=10)[0] is K


def test_the_limits_of_all_domains(tmp_path):
    (tmp_path / "domains").mkdir()
    (tmp_path / "etc").mkdir()
    domain = Domain(tmp_path / "domains" / "example.com")
    domain.account("bob")
    (tmp_path / "etc" / "vlimits.default").write_bytes(b"maxmsgcount: 1\n")
    assert domain.to(b"bob")[0] is K
    assert domain.to(b"bob", message=6)[:2] == (D, b"domain is over quota\n")
    domain.write(".qmailadmin-limits", b"maxmsgcount: 0\n")
    domain_usage._known.clear()
    assert domain.to(b"bob", message=7)[0] is K


def test_a_broken_quota_is_deferred(domain):
    domain.account("bob", "much")
    assert domain.to(b"bob")[:2] == (Z, b"system error\n")


def test_the_mailboxs_own_lines(domain):
    directory = domain.account("bob")
    directory.mkdir()
    domain.maildir("bob/Maildir")
    domain.maildir("bob/Other")
    domain.write("bob/.qmail", b"# mine\n./Maildir/\n./Other/\n&a@x.test\n| pwd; cat >/dev/null\n")
    outcome, text, report = domain.to(b"bob")
    assert (outcome, text) == (K, str(directory.resolve()).encode() + b"\ndid 0+0+1\n")
    assert len(domain.mailbox("bob")) == 1
    assert len(domain.new("bob/Other")) == 1
    assert domain.forwards[0][1] == (b"a@x.test",)
    assert [answer for _line, answer in answers(report, "delivery.program")] == ["exit 0"] * 2


@pytest.mark.parametrize(
    ("lines", "outcome", "text"),
    [
        (b"|echo a; exit 99\n|echo b\n", K, b"a\ndid 0+0+1\n"),
        (b"|echo a; exit 100\n|echo b\n", D, b"a\n"),
        (b"|echo a; exit 1\n|echo b\n", Z, b"a\n"),
        (b"|kill -9 $$\n", Z, b""),
        (b"./box\n", Z, b"can't handle mbox delivery for ./box"),
        (b"bob@example.com\n", D, b"mail is looping\n"),
    ],
)
def test_how_the_mailboxs_own_lines_end(domain, lines, outcome, text):
    domain.account("bob").mkdir()
    domain.write("bob/.qmail", lines)
    body = b"Delivered-To: bob@example.com\n" + BODY if b"bob@" in lines else BODY
    assert domain.to(b"bob", body=body)[:2] == (outcome, text)


def test_a_catch_all_directory(domain):
    (domain.directory / "all").mkdir()
    domain.maildir("all/Maildir")
    line = b"|vdelivermail '' " + domain.path + b"/all\n"
    domain.write(".qmail-default", line)
    said = b"user does not exist, but will deliver to " + domain.path + b"/all/\n"
    assert domain.to(b"x")[:2] == (K, said + b"did 0+0+1\n")
    assert b"Delivered-To: x@example.com\n" in next(iter(domain.mailbox("all").values()))
