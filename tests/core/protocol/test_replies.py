import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.reply import Reply
from glassmail.core.protocol import replies
from glassmail.core.protocol.replies import render

SUFFIX = b" [K7Q2-M4XW-3H]"


@pytest.mark.parametrize(
    ("reply", "suffix", "is_enhanced", "wire"),
    [
        (Reply(250, b"ok"), SUFFIX, False, b"250 ok\r\n"),
        (Reply(451, b"later"), SUFFIX, False, b"451 later [K7Q2-M4XW-3H]\r\n"),
        (Reply(554, b"one\ntwo"), SUFFIX, False, b"554-one\r\n554 two [K7Q2-M4XW-3H]\r\n"),
        (replies.MAIL_OK, b"", True, b"250 2.1.0 ok\r\n"),
        (replies.GO_AHEAD, b"", True, b"354 go ahead\r\n"),
        (replies.MAIL_FIRST, SUFFIX, True, b"503 5.5.1 MAIL first [K7Q2-M4XW-3H]\r\n"),
        (replies.LINE_ENDS, b"", True, b"451 4.6.0 See https://cr.yp.to/docs/smtplf.html.\r\n"),
        (Reply(451, b"text (#5.7.1)"), b"", True, b"451 4.7.1 text\r\n"),
        (Reply(554, b"no status"), b"", True, b"554 5.0.0 no status\r\n"),
        (Reply(554, b"odd (#a.b.c)"), b"", True, b"554 5.0.0 odd (#a.b.c)\r\n"),
        (Reply(554, b"a\r\nb\x1b\xff"), b"", False, b"554-a?\r\n554 b??\r\n"),
    ],
)
def test_render(reply, suffix, is_enhanced, wire):
    assert render(reply, suffix, is_enhanced=is_enhanced) == wire


@given(
    st.integers(200, 599),
    st.one_of(st.binary(max_size=40), st.binary(min_size=490, max_size=1_200)),
    st.booleans(),
)
def test_lines_are_never_too_long_and_keep_their_ends(code, text, is_enhanced):
    wire = render(Reply(code, text), SUFFIX, is_enhanced=is_enhanced)
    lines = wire.split(b"\r\n")
    assert lines.pop() == b""
    for line in lines:
        assert len(line) <= 510
        assert not any(byte < 32 or byte > 126 for byte in line)
        assert line.startswith(b"%d" % code)
    assert all(line[3:4] == b"-" for line in lines[:-1])
    assert lines[-1][3:4] == b" "
    assert lines[-1].endswith(SUFFIX) == (code >= 400)


def test_the_catalogue_knows_its_ids():
    for name, reply in replies.REPLIES.items():
        assert replies.REPLIES[replies.name_of(reply)] == reply
        assert name
    assert replies.name_of(Reply(250, b"something else")) == ""


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (replies.greeting(b"G"), b"220 G ESMTP"),
        (replies.helo(b"G"), b"250 G"),
        (replies.goodbye(b"G"), b"221 G"),
        (replies.queued(1_795_187_040, 29_920, b""), b"250 ok 1795187040 qp 29920"),
        (replies.queued(5, 6, b"C/1"), b"250 ok 5 qp 6 [C/1]"),
        (replies.VRFY, b"252 send some mail, i'll try my best"),
        (replies.HELP, b"214 notqmail home page: https://notqmail.org"),
        (replies.TIMEOUT, b"451 timeout (#4.4.2)"),
        (replies.NO_CONTROLS, b"421 unable to read controls (#4.3.0)"),
        (replies.QUEUE_DOWN, b"451 qqt failure (#4.3.0)"),
    ],
)
def test_qmails_words(reply, text):
    assert render(reply, b"", is_enhanced=False) == text + b"\r\n"


# qmail.c by exit code (probe-smtpd.txt); a full disk says 452 here.
@pytest.mark.parametrize(
    ("letter", "exit_code", "text", "wire"),
    [
        ("D", 31, b"mail server permanently rejected message (#5.3.0)",
         b"554 mail server permanently rejected message (#5.3.0)\r\n"),
        ("Z", 71, b"mail server temporarily rejected message (#4.3.0)",
         b"451 mail server temporarily rejected message (#4.3.0)\r\n"),
        ("Z", 53, b"qq write error or disk full (#4.3.0)",
         b"452 qq write error or disk full (#4.3.1)\r\n"),
    ],
)  # fmt: skip
def test_declined(letter, exit_code, text, wire):
    reply = replies.declined(letter == "D", exit_code, text)
    assert render(reply, b"", is_enhanced=False) == wire


def test_greetings_that_change_all_the_time_do_not_pile_up():
    for number in range(3_000):
        replies.greeting(b"%d" % number)
    assert len(replies._READY) <= replies._READY_MAX
    assert render(replies.MAIL_OK, b"", is_enhanced=False) == b"250 ok\r\n"
