from glassmail.core.model.code import NUMBER_MAX
from glassmail.events.line_times import take_time
from glassmail.events.smtpd import Refused, SessionEnded
from glassmail.events.smtpd_story import SmtpdLog
from tests.house.sources import PROJECT
from tests.store.history.story import NOON

LOG = PROJECT / "tests" / "data" / "logs" / "qmail-smtpd.log"


def events():
    log = SmtpdLog()
    timed = [take_time(line, NOON) for line in LOG.read_bytes().splitlines()]
    return [event for one in timed for event in log.feed(one.at, one.text)]


def test_sessions_and_refusals():
    refusal, end, broken, listed = events()
    assert isinstance(refusal, Refused)
    assert (refusal.client, refusal.client_port) == ("192.0.2.7", 4711)
    assert (refusal.sender, refusal.recipient) == (b"a@src.test", b"x@elsewhere.test")
    assert refusal.check == "RCPT::Rcpthosts_Rcptto"
    assert isinstance(end, SessionEnded)
    assert (end.how, end.refused, end.helo, end.code) == ("ended", 1, b"mx.src.test", refusal.code)
    assert end.code > NUMBER_MAX
    assert (broken.client, broken.how) == ("198.51.100.9", "dropped")
    assert (listed.client, listed.reply_code, listed.check) == ("203.0.113.5", 451, "rblsmtpd")


def test_a_session_whose_end_is_missing():
    log = SmtpdLog()
    log.feed(NOON, b"tcpserver: pid 9 from 192.0.2.7")
    log.feed(NOON + 5, b"qmail-smtpd[9]: MAIL FROM:<a@b.test>")
    (left,) = log.finish()
    assert (left.how, left.at, left.client) == ("open", NOON + 5, "192.0.2.7")
    assert log.finish() == []


def test_other_lines_say_nothing():
    log = SmtpdLog()
    assert log.feed(NOON, b"hello") == []
    assert log.lines == 0
    assert log.feed(NOON, b"tcpserver: end 9 status 0") == []
    assert log.lines == 1
