import pytest

from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.protocol.remote_reply import RemoteReply
from glassmail.core.protocol.smtp_transaction import Ask, Tally, Transaction, commands, shown

MESSAGE = Transaction(b"me@x", (b"a@y", b"b@y"), 99, False)
ALL = frozenset([b"SIZE", b"8BITMIME", b"SMTPUTF8", b"PIPELINING"])


@pytest.mark.parametrize(
    ("transaction", "extensions", "mail"),
    [
        (MESSAGE, frozenset(), b"MAIL FROM:<me@x>\r\n"),
        (MESSAGE, ALL, b"MAIL FROM:<me@x> SIZE=99 BODY=8BITMIME\r\n"),
        (MESSAGE._replace(is_ascii=True), ALL, b"MAIL FROM:<me@x> SIZE=99\r\n"),
        (
            MESSAGE._replace(recipients=(b"\xc3\xbc@y",)),
            ALL,
            b"MAIL FROM:<me@x> SIZE=99 BODY=8BITMIME SMTPUTF8\r\n",
        ),
        (MESSAGE._replace(sender=b""), frozenset(), b"MAIL FROM:<>\r\n"),
    ],
)
def test_commands(transaction, extensions, mail):
    lines = commands(transaction, extensions)
    assert lines[0] == (Ask.MAIL, mail)
    assert [ask for ask, _line in lines[1:-1]] == [Ask.RCPT] * len(transaction.recipients)
    assert lines[-1] == (Ask.DATA, b"DATA\r\n")


def test_a_refused_sender_is_everybody_s_end():
    tally = Tally(MESSAGE, b"192.0.2.1")
    tally.sender_refused(b"MAIL FROM:<me@x>\r\n", RemoteReply(550, b"550 no\n"))
    tally.recipient(b"RCPT TO:<a@y>\r\n", RemoteReply(503, b"503 first\n"))
    first, second = tally.nobody_left()
    assert first == second
    assert first.report.outcome is Outcome.FAILURE
    assert first.report.steps == (("remote.said", b"MAIL FROM:<me@x>", "550", "550 no"),)


def test_unanswered_recipients_share_the_message_s_end():
    tally = Tally(MESSAGE, b"192.0.2.1")
    tally.recipient(b"RCPT TO:<a@y>\r\n", RemoteReply(550, b"550 no\n"))
    died = Report(Outcome.DEFERRAL, b"died\n")
    first, second = tally.results(died)
    assert first.report.outcome is Outcome.FAILURE
    assert second.report is died


def test_replies_are_shown_in_one_line():
    assert shown(b"250-a\n250 b\n") == "250-a / 250 b"
    assert shown(b"550 \x1b]0;\xff\x07\n") == "550 \\x1b]0;\\xff\\x07"
    assert len(shown(b"x" * 5000)) == 300
