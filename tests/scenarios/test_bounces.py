"""Failures come back in qmail's words, loops end, retries keep to the schedule."""

import re
import signal

import pytest

from glassmail.core.model.channel import Channel
from glassmail.core.schedule.retry import next_attempt
from tests.scenarios.site import BOB, HOST, ONE_USER, TAMMY
from tests.scenarios.waiting import until
from tests.shared import SAMPLES

DATE = r"\d\d? \w{3} \d{4} \d\d:\d\d:\d\d -0000"
BOUNCE = (
    "Return-Path: <>\nDelivered-To: bob@example.test\n"
    rf"Received: \(qmail \d+ invoked for bounce\); {DATE}\nDate: {DATE}\n"
    "From: MAILER-DAEMON@mx.example.test\nTo: bob@example.test\nSubject: failure notice\n\n"
    "Hi. This is the qmail-send program at mx.example.test.\n"
    "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
    "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
    r"<(?P<address>[^>\n]+)>:\n(?P<text>(?:[^\n]+\n)+)\n"
    r"(?:Ask your postmaster about trace code [0-9A-Z/-]+\.\n\n)?"
    "--- Below this line is a copy of the message.\n\n"
    r"Return-Path: <bob@example.test>\n"
    rf"Received: \(qmail \d+ invoked from network\); {DATE}\n(?P<rest>.*)"
)
DOUBLE = (
    r"Return-Path: <#@\[\]>\nDelivered-To: tammy@example.test\n"
    r"(?:Received: [^\n]+\n|Delivered-To: postmaster@mx.example.test\n)+"
    rf"Date: {DATE}\n"
    "From: MAILER-DAEMON@mx.example.test\nTo: postmaster@mx.example.test\n"
    "Subject: failure notice\n\nHi. This is the qmail-send program at mx.example.test.\n"
    "I tried to deliver a bounce message to this address, but the bounce bounced!\n\n"
    r"<nobody@example.test>:\nSorry, no mailbox here by that name. \(#5\.1\.1\)\n\n"
    r"(?:Ask your postmaster about trace code [0-9A-Z/-]+\.\n\n)?"
    "--- Below this line is the original bounce.\n\nReturn-Path: <>\n.*"
)
LINES = re.compile(
    r"status: local \d+/\d+ remote \d+/\d+( exitasap)?|status: exiting|new msg \d+|end msg \d+"
    r"|info msg \d+: bytes \d+ from <\S*> qp \d+ uid \d+"
    r"|starting delivery \d+: msg \d+ to (local|remote) \S*"
    r"|delivery \d+: (success|deferral|failure): \S*|bounce msg \d+ qp \d+"
    r"|triple bounce: discarding bounce/\d+"
)


@pytest.fixture
def own(make_site):
    """A site that takes mail for nobody too, so that it has to bounce it."""
    site = make_site(ONE_USER)
    site.control("checkrecipients", "0\n")
    return site


def bounce_in(message):
    found = re.fullmatch(BOUNCE, message.decode(), re.DOTALL)
    assert found, message.decode()
    return found["address"], found["text"], found["rest"]


def test_a_bounce(own):
    own.start().send("nobody@example.test", b"Subject: lost\r\n\r\nbody\r\n", sender=BOB)
    address, text, rest = bounce_in(own.arrived(BOB)[0])
    assert (address, text) == (
        "nobody@example.test", "Sorry, no mailbox here by that name. (#5.1.1)\n"
    )  # fmt: skip
    assert rest.endswith("\nSubject: lost\n\nbody\n")
    own.until_empty()
    wanted = re.compile(r"bounce msg 1 qp \d+")
    until(lambda: any(wanted.fullmatch(line) for line in own.log_lines()), "the log tells of it")


def test_a_remote_refusal_bounces(own, peer):
    own.control("smtproutes", f"remote.test:{peer.route}\n")
    peer.answers["RCPT"] = "550 5.1.1 no such user"
    own.start().send("far@remote.test", sender=BOB)
    address, text, _rest = bounce_in(own.arrived(BOB)[0])
    assert address == "far@remote.test"
    assert text == (
        "127.0.0.1 does not like recipient.\nRemote host said: 550 5.1.1 no such user\n"
        "Giving up on 127.0.0.1.\n"
    )


@pytest.mark.covers("routing/single bounce")
def test_a_double_bounce_goes_to_the_postmaster(own):
    own.start().send("nobody@example.test", sender="")
    (message,) = own.arrived(TAMMY)
    assert re.fullmatch(DOUBLE, message.decode(), re.DOTALL), message.decode()


@pytest.mark.covers("routing/double bounce")
def test_a_triple_bounce_is_thrown_away(own):
    own.control("doublebounceto", "nobody-either\n")
    own.start().send("nobody@example.test", sender="")
    wanted = "triple bounce: discarding bounce/2"
    until(lambda: wanted in own.log_lines(), "the log tells of it")
    own.until_empty()
    assert own.files(TAMMY) == own.files(BOB) == []
    assert "thrown away" in own.glass("why", "#2")


def test_mail_that_was_here_before_is_looping(own):
    own.write(own.root / "alias" / ".qmail-round", f"&round@{HOST}\n")
    own.start().send(f"round@{HOST}", sender=BOB)
    message = own.arrived(BOB)[0].decode()
    assert (
        f"<round@{HOST}>:\nThis message is looping: it already has my Delivered-To line. (#5.4.6)"
        in (message)
    )
    own.send(TAMMY, b"Delivered-To: example.test-tammy@example.test\r\n\r\n", sender=BOB)
    own.until_empty()
    assert own.files(TAMMY) == []
    assert own.messages(BOB)[1].decode().count("This message is looping") == 1


def test_a_message_that_waited_too_long(own):
    own.write(own.root / "alias" / ".qmail-soft", "| echo soft error text; exit 111\n")
    own.start().send(f"soft@{HOST}", sender=BOB)
    row = until(lambda: (rows := own.queued()) and rows[0]["recipients"][0]["text"] and rows[0],
                "it is deferred")  # fmt: skip
    assert row["recipients"][0]["text"] == "soft error text\n"
    own.control("queuelifetime", "0\n")

    def is_given_up():
        own.server.send_signal(signal.SIGHUP)
        own.server.send_signal(signal.SIGALRM)
        return own.messages(BOB)

    address, text, _rest = bounce_in(until(is_given_up, "it is given up")[0])
    assert address == f"soft@{HOST}"
    assert text == (
        "soft error text\n"
        "I'm not going to try again; this message has been in the queue too long.\n"
    )


def test_the_schedule_is_visible(own, peer):
    own.control("smtproutes", f":{peer.route}\n")
    peer.answers["RCPT"] = "451 busy"
    own.write(own.root / "alias" / ".qmail-soft", "| echo soft; exit 111\n")
    own.start().send([f"soft@{HOST}", "far@remote.test"])
    (row,) = until(
        lambda: all(r["text"] for r in own.queued()[0]["recipients"]) and own.json("queue", "list"),
        "both are deferred",
    )
    for recipient in row["recipients"]:
        channel = Channel(recipient["channel"])
        planned = [next_attempt(row["born"], row["born"] + late, channel) for late in (0, 1, 2)]
        assert recipient["retry_at"] in planned
    text = own.glass("queue", "list")
    assert f"to local soft@{HOST}: next attempt in 9" in text
    assert "to remote far@remote.test: next attempt in 6 min" in text


def test_log_lines_are_qmails(own, peer):
    own.control("smtproutes", f":{peer.route}\n")
    peer.answers["RCPT"] = "451 4.7.1 greylisted"
    own.control("doublebounceto", "nobody-either\n")
    own.start().send([TAMMY, "far@remote.test", "odd@example.test"])
    own.send("nobody@example.test", sender="")
    until(lambda: any(line.startswith("triple") for line in own.log_lines()), "all is logged")
    own.stop()
    lines = (own.root / "log" / "send" / "current").read_text().splitlines()
    assert len(lines) > 20
    for line in lines:
        label, _, text = line.partition(" ")
        assert re.fullmatch(r"@4[0-9a-f]{23}|@[0-9a-f]{24}", label), line
        assert LINES.fullmatch(text), line
    wanted = "deferral: 127.0.0.1_does_not_like_recipient./Remote_host_said:_451_4.7.1_greylisted/"
    assert any(wanted + "Giving_up_on_127.0.0.1./" in line for line in lines)


def test_the_grammar_of_the_log_is_that_of_the_samples():
    if not SAMPLES.is_dir():
        pytest.skip(f"no samples at {SAMPLES}: they are kept outside of the checkout")
    count = 0
    for path in SAMPLES.glob("send-log-*.txt"):
        for line in path.read_text().splitlines():
            text = line.partition(" ")[2]
            count += 1
            assert LINES.fullmatch(text) or not line.startswith("@"), (path.name, line)
    assert count > 400
