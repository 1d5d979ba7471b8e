"""Every variable of a rule: set, the change observed, unset again (docs/coverage.md)."""

import asyncio
import os
import stat

import pytest

from glassmail.core.ask import DnsFact, ProgramEnd
from glassmail.core.model.trail import UNKNOWN, YES
from glassmail.core.policy.facts import Client
from glassmail.events import session_lines
from glassmail.events.smtpd import Handed, Noted, Refused
from glassmail.stations.front_programs import Programs
from glassmail.stations.session import Session
from tests.core_peer import FakeAsk
from tests.covers import row
from tests.dialogue import parse
from tests.stations.session_site import FakeWire, SessionSite

RCPT = (b"HELO x.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<joe@here.example>")
LIST = "control/badhelo: bad.test\n"
MX = {(b"b.test", "MX"): DnsFact(YES, (b"10 mx.b.test",), "TTL 60 s")}
VALID = {b"joe@here.example": b"", b"no@here.example": b"-", b"ok-default@here.example": b""}
CDB = {b"v.cdb": VALID}


class Case:
    """One session with or without a variable."""

    def __init__(self, tmp_path, rule, controls="", ask=None, host=None):
        self.ask = ask or FakeAsk()
        text = controls + (f"rule: {rule}\n" if rule else "")
        self.site = SessionSite(tmp_path, parse("x", text), self.ask, begin=False)
        self.wire = FakeWire()
        client = Client(b"192.0.2.1", 4321, host)
        self.session = Session(self.site.services, self.wire, client, "smtp")
        self.session.begin()
        self.site.wire, self.site.session = self.wire, self.session

    def say(self, *lines):
        return self.site.say(*lines)

    @property
    def lines(self):
        return [event.line for event in self.site.events if isinstance(event, Noted)]

    @property
    def refused(self):
        return [event for event in self.site.events if isinstance(event, Refused)]


def last(tmp_path, rule, *lines, controls="", ask=None, host=None):
    case = Case(tmp_path, rule, controls, ask, host)
    return case.say(*lines)[-1], case


def both(tmp_path, rule, *lines, **more):
    """The last reply with the variable, and without it."""
    with_it, case = last(tmp_path / "with", rule, *lines, **more)
    without, _ = last(tmp_path / "without", "", *lines, **more)
    return with_it, without, case


@pytest.fixture
def places(tmp_path):
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
    return tmp_path


REFUSALS = [
    row("rule-variable/MAXRCPT", ':allow,MAXRCPT="0001"', b"452 ", (*RCPT, RCPT[-1]), {}),
    row("rule-variable/MAXRECIPIENTS", ':allow,MAXRECIPIENTS="1"', b"452 ", (*RCPT, RCPT[-1]), {}),
    row("rule-variable/RELAYREJ", ':allow,RELAYREJ="1"', b"553 we don't relay",
        (*RCPT, b"RCPT TO:<a%b@here.example>"), {}),
    row("rule-variable/MFCHECK", ':allow,MFCHECK="1"', b"553 sorry, your envelope sender domain",
        (b"MAIL FROM:<a@gone.test>",), {}),
    row("rule-variable/MFDNSCHECK", ':allow,MFDNSCHECK=""',
        b"553 sorry, your envelope sender domain",
        (b"MAIL FROM:<a@gone.test>", b"RCPT TO:<joe@here.example>"), {}),
    row("rule-variable/HELOCHECK", ':allow,HELOCHECK="A"', b"553 sorry, your HELO host name",
        RCPT, {}),
    row("rule-variable/VALIDRCPTTO_CDB", ':allow,VALIDRCPTTO_CDB="v.cdb"',
        b"553 sorry, this recipient is not in my validrcptto list",
        (*RCPT, b"RCPT TO:<ann@here.example>"), {}),
    row("rule-variable/TARPITCOUNT", ':allow,TARPITCOUNT="1"', b"550 sorry, no mailbox by that",
        (*RCPT, b"RCPT TO:<x@elsewhere.test>", RCPT[-1]), {}),
    row("rule-variable/DATABYTES", ':allow,DATABYTES="5"', b"552 ",
        (b"MAIL FROM:<a@b.test> SIZE=9",), {}),
]  # fmt: skip


@pytest.mark.covers(
    "rule-variable/MAXRCPT", "rule-variable/MAXRECIPIENTS", "rule-variable/RELAYREJ",
    "rule-variable/MFDNSCHECK", "rule-variable/VALIDRCPTTO_CDB", "rule-variable/TARPITCOUNT",
    "rule-variable/DATABYTES", "reply/sender_domain", "reply/validrcptto",
)  # fmt: skip
@pytest.mark.parametrize(("rule", "refusal", "lines", "more"), REFUSALS)
def test_refusals(places, rule, refusal, lines, more):
    ask = FakeAsk()
    ask.dns_answers, ask.cdbs = MX, CDB
    with_it, without, case = both(places, rule, *lines, ask=ask, **more)
    assert with_it.startswith(refusal)
    assert b" [" in with_it  # the trace code
    assert without == b"250 ok"
    event = case.refused[-1]
    assert (event.client, event.reply) == ("192.0.2.1", with_it)
    assert event.steps[-1].source


@pytest.mark.covers("rule-variable/RELAYCLIENT")
def test_relayclient(places):
    lines = (*RCPT[:2], b"RCPT TO:<x@elsewhere.test>")
    with_it, without, _ = both(places, ':allow,RELAYCLIENT=""', *lines)
    assert with_it == b"250 ok"
    assert without.startswith(b"553 sorry, that domain isn't in my list")


@pytest.mark.covers("rule-variable/RBLSMTPD")
@pytest.mark.parametrize(
    ("value", "reply", "line"),
    [  # of samples/rblsmtpd-samples.txt
        ("go away", b"451 go away", b"rblsmtpd: 192.0.2.1 pid %d: 451 go away"),
        ("-go away", b"553 go away", b"rblsmtpd: 192.0.2.1 pid %d: 553 go away"),
        ("-", b"553 refused", b"rblsmtpd: 192.0.2.1 pid %d: 553 refused"),
        ("", b"250 ok", None),
    ],
)
def test_rblsmtpd(places, value, reply, line):
    with_it, without, case = both(places, f':allow,RBLSMTPD="{value}"', *RCPT)
    assert with_it.partition(b" [")[0] == reply
    assert without == b"250 ok"
    pid = case.session.record.pid
    lines = [each.partition(b" [")[0] for each in case.lines]
    assert lines == ([line % pid] if line else [])
    assert [event.check for event in case.refused] == (["rblsmtpd"] if line else [])


@pytest.mark.covers("rule-variable/NOBADHELO")
def test_nobadhelo(places):
    lines = (b"HELO bad.test", *RCPT[1:])
    with_it, without, _ = both(places, ':allow,NOBADHELO=""', *lines, controls=LIST)
    assert with_it == b"250 ok"
    assert without.startswith(b"553 sorry, your HELO host name has been denied")


@pytest.mark.covers("rule-variable/LOGREGEX")
@pytest.mark.parametrize(
    ("rule", "line"),
    [(':allow,LOGREGEX=""', b"badhelo: bad.test at 192.0.2.1 matches pattern: bad.test"),
     ("", b"badhelo: bad.test at 192.0.2.1")],
)  # fmt: skip
def test_logregex(tmp_path, rule, line):
    case = Case(tmp_path, rule, LIST)
    case.say(b"HELO bad.test", *RCPT[1:])
    assert case.lines == [line]


@pytest.mark.covers("rule-variable/QMAILSMTPD_LOG_MAIL", "rule-variable/QMAILSMTPD_LOG_RCPT")
def test_logged_commands(tmp_path):
    rule = ':allow,QMAILSMTPD_LOG_MAIL="1",QMAILSMTPD_LOG_RCPT="1"'
    case = Case(tmp_path, rule)
    case.say(*RCPT)
    assert case.lines == [b"MAIL FROM:<a@b.test>", b"RCPT TO:<joe@here.example>"]
    (tmp_path / "control" / "tcp.smtp").unlink()
    plain = Case(tmp_path, "")
    plain.say(*RCPT)
    assert not plain.lines


@pytest.mark.covers("rule-variable/MFCHECK", "control/mfcheck")
@pytest.mark.parametrize(
    ("level", "sender", "log", "reply"),
    [
        (1, b"a@gone.test", [], b"553 "),
        (2, b"a@gone.test", [b"MFCHECK fail [192.0.2.1] gone.test"], b"553 "),
        (2, b"a@b.test", [], b"250 ok"),
        (3, b"a@b.test", [b"MFCHECK pass [192.0.2.1] b.test"], b"250 ok"),
        (2, b"nobody", [b"MFCHECK invalid [192.0.2.1] nobody"], b"553 "),
        (2, b"a@null.test", [b"MFCHECK fail [192.0.2.1] null.test"], b"553 "),
        (2, b"a@slow.test", [b"MFCHECK fail [192.0.2.1] slow.test"], b"451 DNS temporary failure"),
        (3, b"", [], b"250 ok"),
        (0, b"a@gone.test", [], b"250 ok"),
    ],
)
def test_mfcheck_levels(tmp_path, level, sender, log, reply):
    ask = FakeAsk()
    ask.dns_answers = {
        **MX,
        (b"null.test", "MX"): DnsFact(YES, (b"0 ",), "TTL 60 s"),
        (b"slow.test", "MX"): DnsFact(UNKNOWN, (), "no server answered in time"),
    }
    case = Case(tmp_path, "", f"control/mfcheck: {level}\n", ask)
    assert case.say(b"MAIL FROM:<%b>" % sender)[-1].startswith(reply)
    assert case.lines == log


@pytest.mark.covers(
    "rule-variable/VALIDRCPTTO_LIMIT", "rule-variable/VALIDRCPTTO_LOG", "reply/too_many_invalid"
)
def test_validrcptto_log_and_limit(tmp_path):
    ask = FakeAsk()
    ask.cdbs = CDB
    rule = ':allow,VALIDRCPTTO_CDB="v.cdb",VALIDRCPTTO_LIMIT="2",VALIDRCPTTO_LOG="2"'
    case = Case(tmp_path, rule, ask=ask)
    heard = case.say(*RCPT[:2], b"RCPT TO:<ok-a-b@here.example>", b"RCPT TO:<no@here.example>",
                     b"RCPT TO:<x@here.example>")  # fmt: skip
    assert heard[-3] == b"250 ok"
    assert heard[-2].startswith(b"553 sorry, this recipient is not in my validrcptto list (#5.7.1)")
    assert heard[-1].startswith(b"421 too many invalid addresses, goodbye (#4.3.0) [")
    assert case.wire.lines.is_closed
    front = b"validrcptto [192.0.2.1] "
    assert case.lines == [front + line for line in (
        b"RCPT TO: ok-a-b@here.example", b"trying: ok-a-b@here.example",
        b"trying: ok-a-default@here.example", b"trying: ok-default@here.example",
        b"found: ok-default@here.example",
        b"RCPT TO: no@here.example", b"trying: no@here.example", b"reject: no@here.example",
        b"RCPT TO: x@here.example", b"trying: x@here.example", b"trying: @here.example",
        b"not found: x@here.example", b"excessive violations, hanging up",
    )]  # fmt: skip
    (tmp_path / "control" / "tcp.smtp").unlink()
    assert Case(tmp_path, "", ask=ask).say(*RCPT[:2], b"RCPT TO:<x@here.example>")[-1] == b"250 ok"


def test_a_cdb_that_cannot_be_read_refuses_nobody(tmp_path):
    case = Case(tmp_path, ':allow,VALIDRCPTTO_CDB="gone.cdb"')
    assert case.say(*RCPT)[-1] == b"250 ok"


@pytest.mark.covers("rule-variable/LOCALMFCHECK")
@pytest.mark.parametrize(
    ("value", "sender", "is_good"),
    [("", b"a@here.example", True), ("", b"a@b.test", False), ("b.test", b"a@b.test", True),
     ("=", b"joe@b.test", True), ("=", b"a@b.test", False), (None, b"a@b.test", True),
     ("!", b"a@b.test", False), ("?", b"a@?", False)],
)  # fmt: skip
def test_localmfcheck(tmp_path, value, sender, is_good):
    check = "" if value is None else f',LOCALMFCHECK="{value}"'
    rule = f':allow,RELAYCLIENT="",TCPREMOTEINFO="joe@b.test"{check}'
    said = Case(tmp_path, rule).say(b"MAIL FROM:<%b>" % sender, b"RCPT TO:<x@y.test>")[-1]
    assert (said == b"250 ok") is is_good


@pytest.mark.covers("rule-variable/TARPITDELAY")
def test_tarpit_waits(tmp_path):
    ask = FakeAsk()
    case = Case(tmp_path, ':allow,TARPITCOUNT="1",TARPITDELAY="7"', ask=ask)
    assert case.say(*RCPT, RCPT[-1], RCPT[-1])[-1] == b"250 ok"
    assert ask.pauses == [7, 7]
    (tmp_path / "control" / "tcp.smtp").unlink()
    Case(tmp_path, "", ask=ask).say(*RCPT, RCPT[-1])
    assert ask.pauses == [7, 7]


@pytest.mark.covers("rule-variable/HELOCHECK")
@pytest.mark.parametrize(
    ("value", "helo", "host", "is_good"),
    [("!", None, None, False), ("!", b"x", None, True), (".", None, None, False),
     ("=", b"x", b"X", True), ("=", b"x", b"y", False), ("=", b"x", None, False),
     ("A", b"b.test", None, True), ("M", b"b.test", None, True), ("M", b"gone.test", None, False),
     ("", None, None, True), ("A", b"ok.test", None, True)],
)  # fmt: skip
def test_helocheck(tmp_path, value, helo, host, is_good):
    ask = FakeAsk()
    ask.dns_answers = {**MX, (b"b.test", "A"): DnsFact(YES, (b"192.0.2.2",), "TTL 60 s")}
    rule = f':allow,HELOCHECK="{value}"'
    case = Case(tmp_path, rule, "control/badhelo: ok.test!\n", ask, host)
    greeting = (b"HELO " + helo,) if helo is not None else ()
    assert (case.say(*greeting, *RCPT[1:])[-1] == b"250 ok") is is_good


@pytest.mark.covers("rule-variable/RECIPIENTS450", "control/recipients")
def test_recipients450(places):
    controls = "control/recipients: !other.example\n"
    with_it, without, _ = both(places, ':allow,RECIPIENTS450=""', *RCPT, controls=controls)
    assert with_it.startswith(b"450 sorry, mailbox currently unavailable (#4.2.1) [")
    assert without.startswith(b"550 sorry, no mailbox by that name (#5.7.1) [")


@pytest.mark.covers("rule-variable/DELIVERTO")
def test_deliverto(places):
    lines = (*RCPT, b"DATA", b"x", b".")
    with_it, without, case = both(places, ':allow,DELIVERTO="copy@here.example"', *lines)
    assert with_it.startswith(b"250 ok")
    assert case.site.queue.taken[0].recipients == (b"joe@here.example", b"copy@here.example")
    assert without.startswith(b"250 ok")


@pytest.mark.covers("rule-variable/FIXCRIO")
def test_fixcrio_is_told(places):
    lines = (*RCPT, b"DATA", b"x\ny", b".")
    with_it, without, case = both(places, ':allow,FIXCRIO=""', *lines)
    assert with_it.startswith(b"250 ok")
    assert case.lines[0].startswith(
        b"FIXCRIO mended [192.0.2.1] bare LF at byte offset 1, line 1 of the message"
    )
    assert without.startswith(b"451 See https://cr.yp.to/docs/smtplf.html.")


@pytest.mark.covers("rule-variable/SMTPGREETING", "rule-variable/QMAILSMTPD_HELP_VERSION")
def test_greeting_and_help(places):
    rule = ':allow,SMTPGREETING="front.test",QMAILSMTPD_HELP_VERSION="1"'
    case = Case(places / "with", rule)
    heard = case.say(b"HELP")
    assert heard[0] == b"220 front.test ESMTP"
    assert heard[-1].startswith(b"214 glassmail")
    plain = Case(places / "without", "")
    home = b"214 notqmail home page: https://notqmail.org"
    assert plain.say(b"HELP") == [b"220 mx.example ESMTP", home]


@pytest.mark.covers(
    "rule-variable/TCPREMOTEHOST", "rule-variable/TCPREMOTEINFO", "rule-variable/TCPREMOTEIP",
    "rule-variable/TCPLOCALHOST",
)  # fmt: skip
def test_who_the_client_is(places):
    rule = (
        ':allow,TCPREMOTEHOST="real.test",TCPREMOTEINFO="id",TCPREMOTEIP="192.0.2.9",'
        'TCPLOCALHOST="lh.test"'
    )
    for place, said, origin in (
        ("with", rule, b"from real.test (HELO x.test) (id@192.0.2.9)\n  by lh.test with"),
        ("without", "", b"from unknown (HELO x.test) (192.0.2.1)\n  by mx.example with"),
    ):
        case = Case(places / place, said)
        case.say(*RCPT, b"DATA", b"x", b".")
        assert origin in case.site.queue.taken[0].head


REPLIES = {
    "REPLY_HELO": (b"HELO bad.test", *RCPT[1:]),
    "REPLY_BADMAILFROM": (b"MAIL FROM:<a@spam.test>", RCPT[-1]),
    "REPLY_BADRCPTTO": (*RCPT, b"RCPT TO:<old@here.example>"),
    "REPLY_NOGATEWAY": (*RCPT, b"RCPT TO:<x@y.test>"),
    "REPLY_MAILBOX": (*RCPT, b"RCPT TO:<x@y.sub.example>"),
    "REPLY_MAXSIZE": (b"MAIL FROM:<a@b.test> SIZE=99",),
    "REPLY_SENDEREXIST": (b"MAIL FROM:<a@gone.test>", RCPT[-1]),
    "REPLY_SENDERINVALID": (b"MAIL FROM:<a@b.test>", RCPT[-1]),
}


@pytest.mark.covers(
    "rule-variable/REPLY_HELO", "rule-variable/REPLY_MAILBOX", "rule-variable/REPLY_MAXSIZE",
    "rule-variable/REPLY_BADMAILFROM", "rule-variable/REPLY_BADRCPTTO",
    "rule-variable/REPLY_NOGATEWAY", "rule-variable/REPLY_SENDEREXIST",
    "rule-variable/REPLY_SENDERINVALID",
)  # fmt: skip
@pytest.mark.parametrize(("name", "lines"), REPLIES.items())
def test_reply_texts(places, name, lines):
    controls = (
        LIST + "control/badmailfrom: @spam.test\ncontrol/badrcptto: old@here.example\n"
        "control/recipients: !here.example\ncontrol/databytes: 50\n"
    )
    ask = FakeAsk()
    ask.dns_answers = MX
    also = {"REPLY_SENDEREXIST": ',MFDNSCHECK=""',
            "REPLY_SENDERINVALID": ',RELAYCLIENT="",LOCALMFCHECK=""'}.get(name, "")  # fmt: skip
    for place, text in (("with", "see our page"), ("without", "")):
        variable = f',{name}="{text}"' if text else ""
        case = Case(places / place, f":allow{also}{variable}", controls, ask)
        said = case.say(*lines)[-1]
        assert said[:1] == b"5"
        assert (b" see our page (#5." in said) is bool(text)


SQMAIL = "control/replyprofile: sqmail\n"


@pytest.mark.covers("reply/sq_sender_domain", "reply/sq_sender_invalid")
def test_sqmail_words_of_senders(tmp_path):
    ask = FakeAsk()
    ask.dns_answers = MX
    case = Case(tmp_path, ':allow,MFDNSCHECK=""', SQMAIL, ask)
    said = case.say(b"MAIL FROM:<a@gone.test>", RCPT[-1])[-1]
    assert said.startswith(b"553 sorry, your envelope sender must exist  (#5.7.1) [")
    case = Case(tmp_path, ':allow,RELAYCLIENT="",LOCALMFCHECK=""', SQMAIL, ask)
    said = case.say(*RCPT)[-1]
    assert said.startswith(b"553 sorry, invalid sender address specified  (#5.7.1) [")


@pytest.mark.covers("reply/dns_soft")
def test_dns_that_does_not_answer(tmp_path):
    case = Case(tmp_path, ':allow,MFDNSCHECK=""')
    assert case.say(*RCPT)[-1].startswith(b"451 DNS temporary failure (#4.3.0) [")


PROGRAM_ENDS = [
    (ProgramEnd(0), b"250 ok"),
    (ProgramEnd(7, b"a remark"), b"250 ok"),
    (ProgramEnd(100), b"553 sorry, no mailbox here by that name. (#5.1.1) ["),
    (ProgramEnd(100, b"550 no such user here\r\n"), b"550 no such user here ["),
    (ProgramEnd(100, b"250 ok"), b"553 250 ok ["),
    (ProgramEnd(111), b"421 unable to verify recipient (#4.3.0) ["),
    (ProgramEnd(111, b"450 4.7.1 GREYLIST Try again later."), b"450 4.7.1 GREYLIST Try again"),
    (ProgramEnd(120), b"421 unable to execute recipient check (#4.3.0) ["),
    (ProgramEnd(0, problem="crashed by signal 11"), b"421 unable to execute recipient check"),
]


@pytest.mark.covers(
    "rule-variable/RCPTCHECK", "reply/check_refused", "reply/check_deferred", "reply/check_failed"
)
@pytest.mark.parametrize(("ended", "reply"), PROGRAM_ENDS)
def test_rcptcheck(places, ended, reply):
    ask = FakeAsk()
    ask.programs = {b"bin/check": ended}
    with_it, without, case = both(places, ':allow,RCPTCHECK="bin/check"', *RCPT, ask=ask)
    assert with_it.startswith(reply)
    assert without == b"250 ok"
    assert case.wire.lines.is_closed is reply.startswith(b"421 unable to execute")
    told = ask.program_environment
    assert (told[b"SENDER"], told[b"RECIPIENT"]) == (b"a@b.test", b"joe@here.example")
    assert (told[b"HELO"], told[b"USE_FD4"]) == (b"x.test", b"1")
    assert told[b"TCPREMOTEIP"] == b"192.0.2.1"
    if ended.text:
        assert case.lines[-1] == b"RCPTCHECK error: " + ended.text.rstrip()


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


async def heard_last(case):
    for _ in range(2_000):
        heard = case.site.heard()
        if heard:
            return heard[-1]
        await asyncio.sleep(0.005)
    raise AssertionError("nothing was said")


QUEUE_PROGRAMS = [
    ("cat <&0 >m; cat <&1 >e; exit 0", b"250 ok 1795187040 qp "),
    ("exit 1", b"250 ok Your SPAM has been ignored."),
    ("exit 31", b"554 mail server permanently rejected message (#5.3.0) ["),
    ("exit 32", b"554 we do not accept SPAM (#5.3.0) ["),
    ("echo 'DCustom text (#5.7.1)' >&4; exit 82", b"554 Custom text (#5.7.1) ["),
    ("echo 'ZTry later (#4.7.1)' >&6; exit 82", b"451 Try later (#4.7.1) ["),
    ("exit 40", b"554 qq permanent problem (#5.3.0) ["),
    ("exit 99", b"451 qq temporary problem (#4.3.0) ["),
    ("kill -9 $$", b"451 qq crashed (#4.3.0) ["),
]


@pytest.mark.covers("rule-variable/QMAILQUEUE", "reply/spam_ignored", "reply/no_spam")
@pytest.mark.parametrize(("text", "reply"), QUEUE_PROGRAMS)
def test_qmailqueue(tmp_path, text, reply):
    async def go():
        program = script(tmp_path / "scan", f"cd {tmp_path}\n{text}\n")
        case = Case(tmp_path, f':allow,QMAILQUEUE="{program}"')
        object.__setattr__(case.site.services, "programs", Programs())
        case.say(*RCPT, b"DATA")
        case.session.receive(b"Subject: x\r\n\r\nbody\r\n.\r\n")
        assert (await heard_last(case)).startswith(reply)
        assert not case.site.queue.taken
        return case

    case = asyncio.run(go())
    if text.startswith("cat"):
        assert (tmp_path / "m").read_bytes().endswith(b"\nSubject: x\n\nbody\n")
        assert (tmp_path / "m").read_bytes().startswith(b"Received: from ")
        assert (tmp_path / "e").read_bytes() == b"Fa@b.test\0Tjoe@here.example\0\0"
    handed = [event for event in case.site.events if isinstance(event, Handed)]
    assert bool(handed) is reply.startswith(b"250")
    if handed:
        assert handed[0].steps[-1].question == "session.queue-program"
        assert handed[0].recipients == (b"joe@here.example",)
    else:
        assert case.refused[-1].check == "queue"


def test_without_qmailqueue_the_queue_takes_it(tmp_path):
    case = Case(tmp_path, ':allow,QMAILQUEUE="bin/qmail-queue"')
    case.say(*RCPT, b"DATA", b"x", b".")
    assert len(case.site.queue.taken) == 1


@pytest.mark.covers("rule-variable/GREETDELAY", "rule-variable/DROP_PRE_GREET", "reply/pre_greet")
@pytest.mark.parametrize("is_dropping", [True, False])
def test_early_talkers(tmp_path, is_dropping):
    async def go():
        drop = ',DROP_PRE_GREET="1"' if is_dropping else ""
        case = Case(tmp_path, f':allow,GREETDELAY="1"{drop}')
        assert not case.site.heard()
        first = case.say(b"HELO early.test")
        if is_dropping:
            assert first[0].startswith(b"554 SMTP protocol violation [")
            assert case.wire.lines.is_closed
            assert case.lines == [b"before greeting: [192.0.2.1] client sent data"]
            assert case.refused[0].check == "greetdelay"
            return
        assert not first
        case.session._greet_late()  # the timer's work, without its second
        assert case.site.heard() == [b"220 mx.example ESMTP", b"250 mx.example"]

    asyncio.run(go())
    (tmp_path / "control" / "tcp.smtp").unlink()
    assert Case(tmp_path, "").site.heard() == [b"220 mx.example ESMTP"]


def test_who_goes_before_the_greeting_is_told(tmp_path):
    async def go():
        case = Case(tmp_path, ':allow,GREETDELAY="1",DROP_PRE_GREET="1"')
        case.session.lost()
        assert case.lines == [b"before greeting: [192.0.2.1] client disconnected"]

    asyncio.run(go())


@pytest.mark.covers("reply/recipients_failed")
def test_recipients_that_cannot_be_asked(tmp_path):
    case = Case(tmp_path, "", "control/recipients: here.example:gone.cdb\n")
    assert case.say(*RCPT)[-1].startswith(b"421 unable to check recipients (#4.3.0) [")


GOLDEN = """\
@- qmail-smtpd[PID]: MAIL FROM:<xxxxxx@gmail.com>
@- qmail-smtpd[PID]: MFCHECK pass [192.0.2.1] gmail.com
@- qmail-smtpd[PID]: RCPT TO:<homeserver@here.example>
@- rcptcheck.pl[19181][PID]: xxxxxx@gmail.com homeserver@here.example 192.0.2.1 OK A
"""


def test_golden_log_of_the_combined_patch(tmp_path):
    """The lines of smtpd around those of a recipient check, in their order."""
    rule = (
        ':allow,QMAILSMTPD_LOG_MAIL="1",QMAILSMTPD_LOG_RCPT="1",MFCHECK="3",RCPTCHECK="check"'
    )
    said = b"rcptcheck.pl[19181][PID]: xxxxxx@gmail.com homeserver@here.example 192.0.2.1 OK A\n"
    ask = FakeAsk()
    ask.dns_answers = {(b"gmail.com", "MX"): DnsFact(YES, (b"5 mx.gmail.com",), "TTL 60 s")}
    ask.programs = {b"check": ProgramEnd(0, output=said)}
    case = Case(tmp_path, rule, ask=ask)
    case.say(b"MAIL FROM:<xxxxxx@gmail.com>", b"RCPT TO:<homeserver@here.example>")
    text = b"".join(session_lines.lines(event, b"@- ") for event in case.site.events)
    own = b"qmail-smtpd[%d]" % os.getpid()
    # the patch logs MAIL before it asks DNS; here a check's lines come when it has answered
    assert sorted(text.replace(own, b"qmail-smtpd[PID]").decode().splitlines()) == sorted(
        GOLDEN.splitlines()
    )


def test_pids_stand_in_lines(tmp_path):
    case = Case(tmp_path, ':allow,QMAILSMTPD_LOG_MAIL="1"')
    case.say(*RCPT)
    event = next(event for event in case.site.events if isinstance(event, Noted))
    assert event.pid == os.getpid()
