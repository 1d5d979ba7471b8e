"""Dialogues with the client core. S: is what the server says, C: what must be sent for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.outcome import Outcome
from glassmail.core.protocol.remote_reply import REPLY_STREAM_BYTES_MAX
from glassmail.core.protocol.smtp_client import SmtpClient, State
from glassmail.core.protocol.smtp_transaction import Transaction

K, Z, D = Outcome.SUCCESS, Outcome.DEFERRAL, Outcome.FAILURE
ONE = (b"joe@there.example",)
TWO = (b"joe@there.example", b"ann@there.example")
GREETED = "220 mx\n250-mx\n250-PIPELINING\n250-8BITMIME\n250-SMTPUTF8\n250 SIZE 1000000\n"
PLAIN = "220 mx\n250 mx\n"


def message(recipients=ONE, sender=b"me@here.example", *, is_ascii=True):
    return Transaction(sender, recipients, 4_200, is_ascii)


def client():
    return SmtpClient(b"192.0.2.1", b"here.example")


def say(core, lines):
    """Let the server say lines; return what the client sends, sending bodies on the way."""
    sent = b""
    for line in lines.splitlines():
        sent += core.receive(line.encode() + b"\r\n")
        if core.state is State.BODY:
            core.body_sent()
            sent += b"BODY\r\n"
    return sent


def begun(greeting, recipients=ONE):
    core = client()
    assert core.begin(message(recipients)) == b""
    say(core, greeting)
    return core


def ended(core):
    return [(result.report.outcome, result.report.text) for result in core.take()]


def test_a_pipelined_message():
    core = client()
    assert core.begin(message()) == b""
    assert core.receive(b"220 mx ESMTP\r\n") == b"EHLO here.example\r\n"
    assert core.receive(b"250-mx\r\n250-pipelining\r\n250 SIZE\r\n") == (
        b"MAIL FROM:<me@here.example> SIZE=4200\r\nRCPT TO:<joe@there.example>\r\nDATA\r\n"
    )
    assert core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n") == b""
    assert core.state is State.BODY
    core.body_sent()
    assert core.is_critical
    assert core.receive(b"250 2.0.0 queued as ABC123\r\n") == b""
    assert core.state is State.IDLE
    [result] = core.take()
    assert result.report.outcome is K
    assert result.report.text == (
        b"192.0.2.1 accepted message.\nRemote host said: 250 2.0.0 queued as ABC123\n"
    )
    assert result.report.steps == (
        ("remote.said", b"the message", "250", "250 2.0.0 queued as ABC123"),
    )


def test_without_pipelining_one_command_at_a_time():
    core = client()
    core.begin(message(TWO))
    assert core.receive(b"220 mx\r\n") == b"EHLO here.example\r\n"
    assert core.receive(b"250 mx\r\n") == b"MAIL FROM:<me@here.example>\r\n"
    assert core.receive(b"250 ok\r\n") == b"RCPT TO:<joe@there.example>\r\n"
    assert core.receive(b"250 ok\r\n") == b"RCPT TO:<ann@there.example>\r\n"
    assert core.receive(b"250 ok\r\n") == b"DATA\r\n"
    assert core.receive(b"354 go\r\n") == b""
    assert core.state is State.BODY


def test_helo_where_ehlo_is_unknown():
    core = client()
    core.begin(message())
    core.receive(b"220 mx\r\n")
    assert core.receive(b"502 what?\r\n") == b"HELO here.example\r\n"
    assert core.receive(b"250 mx\r\n").startswith(b"MAIL")


def test_extensions_are_used_only_when_they_are_needed():
    core = begun(GREETED)
    assert core.extensions == {b"PIPELINING", b"8BITMIME", b"SMTPUTF8", b"SIZE"}
    core = client()
    core.begin(message(is_ascii=False, sender="jürgen@x".encode()))
    sent = say(core, GREETED)
    assert b"<" + "jürgen@x".encode() + b"> SIZE=4200 BODY=8BITMIME SMTPUTF8\r\n" in sent


def test_without_the_extensions_8_bit_mail_goes_as_qmail_sends_it():
    core = client()
    core.begin(message(is_ascii=False, sender="jürgen@x".encode()))
    assert 'MAIL FROM:<"jürgen"@x>\r\n'.encode() in say(core, PLAIN)


SAID = "Remote host said: "
REFUSALS = [
    ("554 go away", Z, f"Connected to 192.0.2.1 but greeting failed.\n{SAID}554 go away\n"),
    ("421 busy", Z, f"Connected to 192.0.2.1 but greeting failed.\n{SAID}421 busy\n"),
    ("hello", Z, f"Connected to 192.0.2.1 but greeting failed.\n{SAID}hello\n"),
    ("220 mx\n550 no\n550 no!", Z,
     f"Connected to 192.0.2.1 but my name was rejected.\n{SAID}550 no!\n"),
    ("220 mx\n421 bye", Z, f"Connected to 192.0.2.1 but my name was rejected.\n{SAID}421 bye\n"),
    (PLAIN + "550 sender no", D, (f"Connected to 192.0.2.1 but sender was rejected.\n{SAID}"
     "550 sender no\n")),
    (PLAIN + "451 later", Z, f"Connected to 192.0.2.1 but sender was rejected.\n{SAID}451 later\n"),
    (PLAIN + "250 ok\n550-no such user\n550 5.1.1 really not", D,
     (f"192.0.2.1 does not like recipient.\n{SAID}550-no such user\n550 5.1.1 really not\n"
     "Giving up on 192.0.2.1.\n")),
    (PLAIN + "250 ok\n451 4.7.1 greylisted", Z,
     f"192.0.2.1 does not like recipient.\n{SAID}451 4.7.1 greylisted\nGiving up on 192.0.2.1.\n"),
    (PLAIN + "250 ok\n452 full", Z,
     f"192.0.2.1 does not like recipient.\n{SAID}452 full\nGiving up on 192.0.2.1.\n"),
    (PLAIN + "250 ok\n250 ok\n554 no data", D,
     f"192.0.2.1 failed on DATA command.\n{SAID}554 no data\n"),
    (PLAIN + "250 ok\n250 ok\n250 odd", Z, f"192.0.2.1 failed on DATA command.\n{SAID}250 odd\n"),
    (PLAIN + "250 ok\n250 ok\n354 go\n554 5.6.0 bad body", D,
     f"192.0.2.1 failed after I sent the message.\n{SAID}554 5.6.0 bad body\n"),
    (PLAIN + "250 ok\n250 ok\n354 go\n451 busy", Z,
     f"192.0.2.1 failed after I sent the message.\n{SAID}451 busy\n"),
    (PLAIN + "250 ok\n250 ok\n354 go\n354 again", Z,
     f"192.0.2.1 failed after I sent the message.\n{SAID}354 again\n"),
]  # fmt: skip


@pytest.mark.parametrize(("dialogue", "outcome", "text"), REFUSALS)
def test_refusals_step_by_step(dialogue, outcome, text):
    core = client()
    core.begin(message())
    say(core, dialogue)
    assert ended(core) == [(outcome, text.encode())]


@pytest.mark.parametrize(
    ("answers", "outcomes"),
    [
        ("550 no\n503 first\n503 first\n503 first", [D, D]),
        ("250 ok\n550 no\n250 ok\n354 go\n250 taken", [D, K]),
        ("250 ok\n250 ok\n450 later\n354 go\n250 taken", [K, Z]),
        ("250 ok\n550 no\n450 later\n554 nobody", [D, Z]),
        ("250 ok\n550 no\n550 no\n354 go", [D, D]),
        ("250 ok\n250 ok\n250 ok\n451 not now", [Z, Z]),
        ("250 ok\n550 no\n250 ok\n354 go\n554 spam", [D, D]),
    ],
)
def test_pipelined_answers(answers, outcomes):
    core = begun(GREETED, TWO)
    say(core, answers)
    assert [outcome for outcome, _text in ended(core)] == outcomes


def test_each_recipient_reads_what_it_would_have_read_alone():
    core = begun(GREETED, (*TWO, b"tim@there.example"))
    say(core, "250 ok\n250 ok\n550 no\n451 later\n354 go\n250 taken")
    assert [text for _outcome, text in ended(core)] == [
        b"192.0.2.1 accepted message.\nRemote host said: 250 taken\n",
        b"192.0.2.1 does not like recipient.\nRemote host said: 550 no\nGiving up on 192.0.2.1.\n",
        (
            b"192.0.2.1 does not like recipient.\nRemote host said: 451 later\n"
            b"Giving up on 192.0.2.1.\n"
        ),
    ]


def test_the_trail_quotes_the_deciding_reply():
    core = begun(GREETED, TWO)
    say(core, "250 ok\n250 ok\n550-no such user\n550 \x1b[1mno\n354 go\n250 taken")
    steps = [result.report.steps for result in core.take()]
    assert steps[1] == (
        ("remote.said", b"RCPT TO:<ann@there.example>", "550",
         "550-no such user / 550 \\x1b[1mno"),
    )  # fmt: skip


def test_too_many_recipients_for_one_transaction():
    core = begun(GREETED, (*TWO, b"tim@there.example"))
    say(core, "250 ok\n250 ok\n452 too many\n552 too many\n354 go\n250 taken")
    assert [result.again for result in core.take()] == [False, True, True]
    core = begun(GREETED, TWO)
    say(core, "250 ok\n452 full\n250 ok\n354 go\n250 taken")
    assert [result.again for result in core.take()] == [False, False]


def test_many_messages_on_one_connection_without_reset():
    core = begun(GREETED)
    say(core, "250 ok\n250 ok\n354 go\n250 taken")
    core.take()
    assert core.begin(message()).startswith(b"MAIL FROM:")
    say(core, "250 ok\n250 ok\n354 go\n250 taken")
    assert ended(core)[0][0] is K
    assert core.transactions == 2


def test_a_transaction_left_open_is_reset_before_the_next():
    core = begun(GREETED)
    say(core, "250 ok\n550 no\n503 nobody")
    core.take()
    assert core.begin(message()).startswith(b"RSET\r\nMAIL FROM:")
    say(core, "250 reset\n250 ok\n250 ok\n354 go\n250 taken")
    assert ended(core)[0][0] is K
    core = begun(PLAIN)
    say(core, "250 ok\n550 no")
    core.take()
    assert core.begin(message()) == b"RSET\r\n"
    assert core.receive(b"250 reset\r\n").startswith(b"MAIL")


def test_a_refused_sender_leaves_nothing_to_reset():
    core = begun(PLAIN)
    say(core, "550 no")
    core.take()
    assert core.begin(message()).startswith(b"MAIL")


@pytest.mark.parametrize("answers", ["", "250 ok", "250 ok\n250 ok", "250 ok\n250 ok\n354 go"])
def test_a_lost_connection(answers):
    core = begun(GREETED)
    say(core, answers)
    core.lost("reset by peer")
    died = b"Connected to 192.0.2.1 but connection died. "
    if "354" in answers:
        assert ended(core) == [(Z, died + b"Possible duplicate! (#4.4.2)\n")]
    else:
        assert ended(core) == [(Z, died + b"(#4.4.2)\n")]
    assert core.is_closed
    assert not core.is_stale
    core.lost("again")
    assert not core.is_finished


def test_recipients_refused_before_the_loss_stay_refused():
    core = begun(GREETED, TWO)
    say(core, "250 ok\n550 no")
    core.lost("reset by peer")
    assert [outcome for outcome, _text in ended(core)] == [D, Z]
    core = begun(GREETED, TWO)
    say(core, "550 no")
    core.lost("reset by peer")
    assert [text for _outcome, text in ended(core)] == [
        b"Connected to 192.0.2.1 but sender was rejected.\nRemote host said: 550 no\n"
    ] * 2


@pytest.mark.parametrize("last", [None, "421 too long idle"])
def test_a_used_connection_that_is_gone_is_stale(last):
    core = begun(GREETED)
    say(core, "250 ok\n250 ok\n354 go\n250 taken")
    core.take()
    core.begin(message())
    if last is None:
        core.lost("reset by peer")
    else:
        say(core, last)
    assert core.is_stale
    assert core.is_finished


def test_a_used_connection_lost_in_the_body_is_not_stale():
    core = begun(GREETED)
    say(core, "250 ok\n250 ok\n354 go\n250 taken")
    core.take()
    core.begin(message())
    say(core, "250 ok\n250 ok\n354 go")
    core.lost("reset by peer")
    assert not core.is_stale
    assert b"Possible duplicate" in ended(core)[0][1]


# --- replies that nobody asked for -----------------------------------------------------------


def test_an_answer_before_the_message_is_sent_accepts_nothing():
    core = begun(GREETED)
    assert core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n") == b""
    assert ended(core) == [(Z, b"Connected to 192.0.2.1 but connection died. (#4.4.2)\n")]
    assert core.is_closed


@pytest.mark.parametrize("early", [b"250 taken\r\n", b"250-ta", b"2"])
def test_early_bytes_while_the_message_is_sent(early):
    core = begun(GREETED)
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.receive(early)
    assert ended(core)[0][0] is Z
    assert core.is_closed


def test_an_early_refusal_while_the_message_is_sent_counts():
    core = begun(GREETED)
    core.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    core.receive(b"552 too big\r\n")
    assert ended(core) == [
        (D, b"192.0.2.1 failed after I sent the message.\nRemote host said: 552 too big\n")
    ]


def test_a_greeting_that_talks_on():
    core = client()
    core.begin(message())
    assert core.receive(b"220 mx\r\n250 hello\r\n") == b""
    assert ended(core)[0][0] is Z
    assert core.is_closed


def test_talking_while_idle_ends_the_connection_only():
    core = begun(GREETED)
    say(core, "250 ok\n250 ok\n354 go")
    core.receive(b"250 taken\r\n250 more\r\n")
    assert ended(core)[0][0] is K
    assert core.is_closed
    core = begun(GREETED)
    say(core, "250 ok\n250 ok\n354 go\n250 taken")
    core.take()
    core.receive(b"421 idle for too long\r\n")
    assert core.is_closed
    assert not core.is_finished


def test_a_reply_without_end():
    core = begun(GREETED)
    for _ in range(REPLY_STREAM_BYTES_MAX // 65536 + 1):
        core.receive(b"250-" + b"x" * 65530 + b"\r\n")
    assert ended(core)[0][0] is Z


def test_quit_is_said_after_a_bad_greeting():
    core = client()
    core.begin(message())
    assert core.receive(b"554 no\r\n") == b"QUIT\r\n"


def test_what_comes_before_a_transaction_begins_is_not_forgotten():
    core = client()
    assert core.receive(b"554 no\r\n") == b"QUIT\r\n"
    core.begin(message())
    assert ended(core) == [
        (Z, b"Connected to 192.0.2.1 but greeting failed.\nRemote host said: 554 no\n")
    ]
    core = client()
    core.lost("reset by peer")
    core.begin(message())
    [result] = core.take()
    assert result.report.steps[0].source == "reset by peer"
    core = client()
    core.receive(b"220 mx\r\n")
    core.receive(b"250 mx\r\n")
    assert core.begin(message()) == b"MAIL FROM:<me@here.example>\r\n"


# --- properties ------------------------------------------------------------------------------


@given(st.data())
def test_any_split_gives_the_same_end(data):
    text = b"250 ok\r\n250 ok\r\n550-no\r\n550 no\r\n354 go\r\n"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    core = begun(GREETED, TWO)
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        if start != end:
            core.receive(text[start:end])
    assert core.state is State.BODY
    core.body_sent()
    core.receive(b"250 taken\r\n")
    assert [outcome for outcome, _text in ended(core)] == [K, D]


REPLY = st.sampled_from(
    ["220 a", "250 b", "250-c", "251 d", "354 e", "421 f", "450 g", "452 h", "500 i", "550 j", "",
     "x", "99", "\0", "250 PIPELINING"]
)  # fmt: skip


@given(st.lists(REPLY, max_size=20), st.booleans())
def test_whatever_comes_it_ends_in_order(replies, is_lost):
    core = client()
    core.begin(message(TWO))
    body_sent = 0
    for reply in replies:
        out = core.receive(reply.encode() + b"\r\n")
        assert b"\n" not in out.replace(b"\r\n", b"")
        if core.state is State.BODY:
            core.body_sent()
            body_sent += 1
        if core.is_finished:
            break
    if is_lost and not core.is_finished:
        core.lost("gone")
    if core.is_finished:
        results = core.take()
        assert len(results) == 2
        assert all(result.report.text for result in results)
        if any(result.report.outcome is K for result in results):
            assert body_sent == 1
            assert replies[replies.index("354 e") :]
    assert core.state in State
