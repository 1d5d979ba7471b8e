"""Bounces against those of the real qmail-send, byte for byte."""

import pytest

from glassmail.core.formats import bounce
from glassmail.core.formats.bounce import Failure, Letter
from tests.shared import SAMPLES

DATE = b"20 Nov 2026 15:04:01 -0000"
HOST = b"oracle.example.test"
FROM = b"MAILER-DAEMON@oracle.example.test"
QUSER = b"quser@oracle.example.test"

SINGLE = [
    (
        "bounce-message-local.txt",
        DATE,
        Failure(
            b"quser-foo@oracle.example.test", b"Sorry, no mailbox here by that name. (#5.1.1)\n"
        ),
    ),
    (
        "bounce-message-expired.txt",
        b"20 Nov 2026 15:06:04 -0000",
        Failure(b"soft@virt.test", b"soft error text\n" + bounce.GIVEN_UP),
    ),
    (
        "bounce-message-remote-550.txt",
        DATE,
        Failure(
            b"rcpt5@remote.test",
            b"127.0.0.1 does not like recipient.\nRemote host said: 550-no such user\n"
            b"550 5.1.1 really not\nGiving up on 127.0.0.1.\n",
        ),
    ),
]


@pytest.mark.skipif(not SAMPLES.exists(), reason="the reference samples are not beside this tree")
@pytest.mark.parametrize(("name", "date", "failure"), SINGLE)
def test_single_bounces_are_qmails(name, date, failure):
    sample = (SAMPLES / name).read_bytes()
    # What stands above Date was written by the delivery; below the Return-Path is the original.
    letter = Letter(date, FROM, HOST, QUSER, QUSER, b"")
    assert bounce.head(letter, [failure]) in sample


@pytest.mark.skipif(not SAMPLES.exists(), reason="the reference samples are not beside this tree")
def test_double_bounce_is_qmails():
    sample = (SAMPLES / "joe-maildir.txt").read_bytes()
    letter = Letter(
        b"20 Nov 2026 15:04:00 -0000", FROM, HOST, b"postmaster@oracle.example.test", b"", b""
    )
    failure = Failure(
        b"quoted joe@virt.test", b"Sorry, no mailbox here by that name. (#5.1.1)\n"
    )
    assert bounce.head(letter, [failure]) in sample


def test_empty_lines_in_reports_do_not_end_the_paragraph():
    assert bounce.paragraph(Failure(b"a@b", b"one\n\n\ntwo")) == b"<a@b>:\none\n/\ntwo\n\n"
    assert bounce.paragraph(Failure(b"a\nb@c", b"")) == b"<a_b@c>:\n\n"


def test_the_trace_code_is_told_when_there_is_one():
    letter = Letter(DATE, FROM, HOST, QUSER, QUSER, b"K7Q2-M4XW-3H/1")
    assert b"trace code K7Q2-M4XW-3H/1" in bounce.head(letter, [Failure(b"a@b", b"x\n")])


def test_odd_addresses_are_quoted():
    letter = Letter(DATE, FROM, HOST, b'a "b@c', b"sp ace@x.test", b"")
    text = bounce.head(letter, [])
    assert b'To: "a \\"b"@c\n' in text
    assert b'Return-Path: <"sp ace"@x.test>\n' in text


def test_a_notice_has_an_end():
    failures = [Failure(b"%0900d@b.test" % number, b"no\n") for number in range(5_000)]
    text = bounce.head(Letter(b"now\n", b"m@h", b"h", b"s@t", b"s@t", b""), failures)
    shown = text.count(b">:\nno\n\n")
    assert bounce.NOTICE_BYTES_MAX - 1_000 < len(text) < bounce.NOTICE_BYTES_MAX + 1_000
    assert b"%d more addresses failed.\n\n--- Below" % (5_000 - shown) in text
