import pytest

from glassmail.core.model.outcome import Outcome
from glassmail.stations.deliver_own import parse
from tests.stations.delivery import Home

K = Outcome.SUCCESS
BODY = b"From: a@src.test\nTo: joe-x@virt.test\nSubject: hello\nMessage-ID: <1@src>\n\nhi\n"


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def run(home, line, ext=b"x", **changes):
    home.write(".qmail-" + ext.decode(), b"|" + line + b"\n")
    report = home.deliver(ext, local=b"joe-" + ext, **{"body": BODY, **changes})
    assert report.outcome is K
    return report.text.decode()


def test_vacation_answers_once(home):
    home.write(".vacation.msg", b"Subject: away\n\nI am away, $SUBJECT.\n")
    assert run(home, b"vacation joe") == "vacation: qp 901\ndid 0+0+1\n"
    ((sender, recipients, text),) = home.sent
    assert (sender, recipients) == (b"", (b"sender@src.test",))
    assert b"\nFrom: joe-x@virt.test\nTo: sender@src.test\nIn-Reply-To: <1@src>\n" in text
    assert b"\nAuto-Submitted: auto-replied\nSubject: away\n\nI am away, hello.\n" in text
    said = "vacation: no reply: its sender was answered lately\ndid 0+0+1\n"
    assert run(home, b"vacation joe") == said
    assert len(home.sent) == 1
    assert (home.directory / ".vacation.record").stat().st_size < 100


def test_vacation_s_options(home):
    home.write("text", b"away\n")
    body = BODY.replace(b"joe-x@virt", b"tammy@far")
    said = "vacation: no reply: none of our addresses stands in To or Cc\ndid 0+0+1\n"
    assert run(home, b"vacation -m text joe", body=body) == said
    assert "qp 901" in run(home, b"vacation -m text -a tammy@far.test joe", body=body)
    assert b"\nFrom: tammy@far.test\n" in home.sent[0][2]
    assert "lately" in run(home, b"vacation -j -m text joe", body=body)
    assert "qp 902" in run(home, b"vacation -j -mtext -fother -r 30 joe", body=body)
    assert "option -r is not known" in run(home, b"vacation -r")


def test_options_of_the_system_s_program_go_to_it():
    assert parse(b"vacation -a x joe", ()).program == b"vacation"
    assert parse(b"vacation -x joe", ()) is None
    assert parse(b"/usr/bin/vacation joe", ()) is None


@pytest.mark.parametrize("sender", [b"", b"#@[]", b"joe-x@virt.test", b"owner-l@src.test"])
def test_no_answer_to_programs_and_ourselves(home, sender):
    home.write(".vacation.msg", b"away\n")
    assert "no reply" in run(home, b"vacation joe", sender=sender)
    assert home.sent == []
    assert not (home.directory / ".vacation.record").exists()


def test_a_missing_text_holds_nothing_up(home):
    said = run(home, b"vacation joe")
    assert said.startswith("vacation: no reply: ")
    assert "no such file" in said
    assert not (home.directory / ".vacation.record").exists()


def test_a_queue_that_takes_nothing_holds_nothing_up(home):
    home.write(".vacation.msg", b"away\n")
    home.answer = ("Z", b"qq trouble (#4.3.0)")
    assert run(home, b"vacation joe") == "vacation: no reply: qq trouble (#4.3.0)\ndid 0+0+1\n"


def test_qmailadmin_s_line(home):
    (home.directory / "sales").mkdir()
    home.write("sales/message", b"From: sales@virt.test\nSubject: Re: %S\n\nThanks.\n")
    place = home.path + b"/sales"
    line = b"/usr/local/bin/autorespond 10000 5 " + place + b"/message " + place
    assert "autorespond: qp 901" in run(home, line, body=BODY.replace(b"joe-x", b"nobody"))
    assert b"\nFrom: sales@virt.test\nSubject: Re: hello\n\nThanks.\n" in home.sent[0][2]
    assert (home.directory / "sales/.autorespond").exists()
    assert "lately" in run(home, line)
    assert "usage" in run(home, b"autorespond 1 2")
    assert "qp 902" in run(home, line + b" 0 info@virt.test", sender=b"other@src.test")


def test_a_virtual_domain_s_own_address(home):
    home.write(".vacation.msg", b"away\n")
    home.write(".qmail-bob", b"|vacation -j bob\n")
    home.deliver(b"bob", local=b"example.com-bob", host=b"example.com", body=BODY)
    assert b"\nFrom: bob@example.com\n" in home.sent[0][2]
