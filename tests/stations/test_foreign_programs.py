"""Programs of others in dot-qmail files run as under qmail: procmail, maildrop, a list script."""

import os
import shutil

import pytest

from glassmail.core.model.outcome import Outcome
from glassmail.store.letter import Letter
from tests.stations.delivery import BODY, HEAD, Home, answers

K, Z, D = Outcome.SUCCESS, Outcome.DEFERRAL, Outcome.FAILURE
MISSING = "%s is not installed (tools/setup.sh test installs it as root)"

# As ezmlm-send does it: refuse strangers, number the message, keep it, forward it to subscribers.
LIST = b"""\
#!/bin/sh
test "$SENDER" != '' || { echo 'I do not reply to bounce messages. (#5.7.2)'; exit 100; }
case "$DEFAULT" in
  subscribe) echo "$SENDER" >>subscribers; exit 99;;
  '') ;;
  *) exit 100;;
esac
grep -qsx "$SENDER" subscribers || { echo "$SENDER is no subscriber of $LOCAL@$HOST"; exit 100; }
mkdir -p archive
{ printf '%s' "$DTLINE"; cat; } >archive/1
echo "list: 1 message for $(wc -l <subscribers) of $EXT"
"""


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def need(program):
    if shutil.which(program, path="/usr/bin:/bin") is None:
        pytest.skip(MISSING % program)


def test_procmail_by_preline(home):
    need("procmail")
    home.maildir("box")
    home.write(".procmailrc", b":0\n* ^Subject: junk\n/dev/null\n\n:0\nbox/\n")
    home.write(".qmail-p", b"|preline procmail -p -m .procmailrc\n")
    report = home.deliver(b"p")
    assert (report.outcome, report.text) == (K, b"did 0+0+1\n")
    ((_name, content),) = home.new("box").items()
    # procmail puts its own kind of From_ line off a Maildir; the lines of preline stay
    assert b"Return-Path: <sender@src.test>\nDelivered-To: virt.test-p@virt.test\n" in content
    assert content.endswith(HEAD + BODY)
    body = BODY.replace(b"hello", b"junk")
    assert home.deliver(b"p", letter=letter(body)).outcome is K
    assert len(home.new("box")) == 1


def test_procmail_exit_code_is_the_line_s(home):
    need("procmail")
    home.write(".procmailrc", b"EXITCODE=100\n:0\n/dev/null\n")
    home.write(".qmail-p", b"|preline procmail -p -m .procmailrc\n./Maildir/\n")
    assert home.deliver(b"p").outcome is D
    home.write(".procmailrc", b"EXITCODE=75\n:0\n/dev/null\n")
    assert home.deliver(b"p").outcome is Z
    home.write(".procmailrc", b"EXITCODE=99\n:0\n/dev/null\n")
    report = home.deliver(b"p")
    assert (report.outcome, report.text) == (K, b"did 0+0+1\n")


def test_maildrop(home):
    need("maildrop")
    home.maildir("box")
    home.maildir("lists")
    filters = b'if (/^Subject: to the list/)\n{\n  to "lists"\n}\nto "box"\n'
    home.write(".mailfilter", filters)
    home.write(".qmail-m", b"|maildrop .mailfilter\n")
    report = home.deliver(b"m")
    assert (report.outcome, report.text) == (K, b"did 0+0+1\n")
    ((_name, content),) = home.new("box").items()
    assert content.endswith(HEAD + BODY)
    body = BODY.replace(b"hello", b"to the list")
    assert home.deliver(b"m", letter=letter(body)).outcome is K
    assert len(home.new("lists")) == 1
    home.write(".mailfilter", b'EXITCODE=77\necho "no such user here"\nexit\n')
    report = home.deliver(b"m")
    assert report.outcome is D
    assert b"no such user here" in report.text


def test_a_list_script(home):
    script = home.directory / "list"
    script.write_bytes(LIST)
    script.chmod(0o700)
    home.write(".qmail-l", b"|./list\n&archive@x.test\n")
    home.write(".qmail-l-default", b"|./list\n./never/\n")
    home.write(".qmail-l-owner", b"&joe@x.test\n")
    home.write(".qmail-l-owner-default", b"&joe@x.test\n")
    report = home.deliver(b"l")
    assert report.outcome is D
    assert report.text == b"sender@src.test is no subscriber of virt.test-l@virt.test\n"
    assert home.forwards == []
    assert home.deliver(b"l-subscribe").text == b"did 0+0+1\n"  # 99: the line below is not reached
    report = home.deliver(b"l")
    assert report.text == b"list: 1 message for 1 of l\ndid 0+1+1\nqp 901\n"
    sender, recipients, top = home.forwards[0]
    assert (sender, recipients) == (b"virt.test-l-owner-@virt.test-@[]", (b"archive@x.test",))
    assert top == b"Delivered-To: virt.test-l@virt.test\n"
    kept = (home.directory / "archive" / "1").read_bytes()
    assert kept == top + HEAD + BODY
    report = home.deliver(b"l", sender=b"")
    assert report.text == b"I do not reply to bounce messages. (#5.7.2)\n"
    assert answers(report, "delivery.program") == [(b"./list", "exit 100")]


def letter(body):
    return Letter(HEAD, body, -1, len(HEAD) + len(body))


@pytest.mark.covers(
    "variable/DEFAULT",
    "variable/DTLINE",
    "variable/EXT",
    "variable/EXT2",
    "variable/EXT3",
    "variable/EXT4",
    "variable/HOME",
    "variable/HOST",
    "variable/HOST2",
    "variable/HOST3",
    "variable/HOST4",
    "variable/LOCAL",
    "variable/NEWSENDER",
    "variable/RECIPIENT",
    "variable/RPLINE",
    "variable/SENDER",
    "variable/UFLINE",
    "variable/USER",
)
def test_they_see_qmail_s_environment_and_no_more(home):
    home.write(".qmail-e-default", b"|env -0 >env\n")
    os.environ["SECRET_OF_THE_SERVER"] = "x"
    try:
        assert home.deliver(b"e-Foo.Bar").outcome is K
    finally:
        del os.environ["SECRET_OF_THE_SERVER"]
    rows = (home.directory / "env").read_bytes().split(b"\0")[:-1]
    names = {row.partition(b"=")[0].decode() for row in rows}
    wanted = {
        "SENDER", "NEWSENDER", "RECIPIENT", "USER", "HOME", "HOST", "HOST2", "HOST3", "HOST4",
        "LOCAL", "EXT", "EXT2", "EXT3", "EXT4", "DEFAULT", "DTLINE", "RPLINE", "UFLINE", "PATH",
    }  # fmt: skip
    assert names - {"PWD", "_", "SHLVL", "OLDPWD"} == wanted  # which the shell adds
    assert b"DEFAULT=Foo.Bar" in rows
