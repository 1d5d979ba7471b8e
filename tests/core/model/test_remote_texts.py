import pytest

from glassmail.core.model import remote_texts as texts
from glassmail.core.model.address import safe_for_log
from glassmail.core.model.outcome import Outcome, Report
from tests.shared import SAMPLES

IP = b"127.0.0.1"


@pytest.mark.skipif(not SAMPLES.exists(), reason="the reference samples are not beside this tree")
@pytest.mark.parametrize(
    "text",
    [
        texts.accepted(IP, b"250 2.0.0 queued as ABC123\n"),
        texts.recipient_disliked(IP, b"451 4.7.1 greylisted\n") + texts.giving_up(IP),
        texts.recipient_disliked(IP, b"550-no such user\n550 5.1.1 really not\n")
        + texts.giving_up(IP),
        texts.data_failed(IP, b"554 no data\n"),
        texts.message_failed(IP, b"554 5.6.0 bad body\n"),
        texts.message_failed(IP, b"451 4.3.0 busy\n"),
        texts.connection_died(IP, is_critical=True),
        texts.connection_died(b"203.0.113.9", is_critical=False),
        texts.sender_rejected(IP, b"550 sender no\n"),
        texts.NO_CONNECTION.text,
    ],
)
def test_texts_stand_in_a_log_of_qmail(text):
    log = (SAMPLES / "send-log-first-run.txt").read_bytes()
    assert b": " + safe_for_log(text) + b"\n" in log


def test_the_bounce_of_a_refused_recipient():
    text = texts.recipient_disliked(IP, b"550-no such user\n550 5.1.1 really not\n")
    text += texts.giving_up(IP)
    assert text == (
        b"127.0.0.1 does not like recipient.\nRemote host said: 550-no such user\n"
        b"550 5.1.1 really not\nGiving up on 127.0.0.1.\n"
    )


def test_texts_without_a_sample():
    assert texts.greeting_failed(IP, b"554 no\n") == (
        b"Connected to 127.0.0.1 but greeting failed.\nRemote host said: 554 no\n"
    )
    assert texts.name_rejected(b"::1", b"") == b"Connected to ::1 but my name was rejected.\n"
    assert texts.no_such_host(b"a b\xff.example").text == (
        b"Sorry, I couldn't find any host named a?b?.example. (#5.1.2)\n"
    )
    assert texts.remote_said(b"250 a\0b\n") == b"Remote host said: 250 a?b\n"


K, Z, D = Outcome.SUCCESS, Outcome.DEFERRAL, Outcome.FAILURE


@pytest.mark.parametrize(
    ("letter", "message", "outcome", "text"),
    [
        ("r", K, K, b"own+all"),
        ("r", Z, Z, b"own+all"),
        ("r", D, D, b"own+all"),
        ("s", K, Z, b"own"),
        ("s", Z, Z, b"own+all"),
        ("s", D, Z, b"own+all"),
        ("h", K, D, b"own"),
        ("h", Z, D, b"own"),
        ("h", D, D, b"own+all"),
    ],
)
def test_the_rule_of_rspawn(letter, message, outcome, text):
    report = texts.combine(letter, b"own", Report(message, b"+all"))
    assert (report.outcome, report.text) == (outcome, text)
