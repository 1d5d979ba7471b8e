import pytest

from glassmail.events import session_lines
from glassmail.events.process import Alerted, Dropped, Warned
from glassmail.events.smtpd import Handed, Noted, Refused, SessionEnded
from glassmail.events.text_log import LOGS, TextLog

REFUSED = Refused(
    1,
    12345678901,
    1,
    "smtp",
    "192.0.2.7",
    4711,
    "",
    b"evil\r\nhelo",
    b"a b@x",
    b"c@d",
    "rcpt",
    "rcpthosts",
    553,
    b"553 sorry, no\n",
    (),
)
ENDED = SessionEnded(15_000_000, 0, "smtp", "2001:db8::1", 25, b"", 1_000_000, "quit", 1, 2, 345)


@pytest.mark.covers("log-line/refused")
def test_a_refusal_is_one_line():
    assert session_lines.lines(REFUSED, b"@ ") == (
        b"@ refused 22PQ-X5MW-JQ/1 192.0.2.7:4711 - helo evil_/helo rcpt"
        b" from <a_b@x> to <c@d> by rcpthosts: 553_sorry,_no/\n"
    )


@pytest.mark.covers("log-line/session")
def test_an_end_of_a_session():
    assert session_lines.lines(ENDED) == (
        b"session - 2001:db8::1:25 helo - quit accepted 1 refused 2 bytes 345 ms 14\n"
    )


def test_each_event_goes_to_its_log():
    into = {name: [] for name in LOGS}
    TextLog().render(
        [
            REFUSED,
            Warned(2, "queue", "disk"),
            Alerted(3, "smtpd", "x\ny"),
            Dropped(4, "smtpd", 12),
        ],
        into,
    )
    assert into["smtpd"][0].startswith(b"@400000000000000a00000001 refused ")
    assert into["send"] == [b"@400000000000000a00000002 warning: disk\n"]
    assert into["serve"] == [
        b"@400000000000000a00000003 alert: smtpd: x/y\n",
        b"@400000000000000a00000004 warning: smtpd: 12 events of sessions were not recorded\n",
    ]


@pytest.mark.covers("log-line/noted")
def test_a_line_that_a_check_asked_for():
    asked = Noted(1, 5, "smtp", "192.0.2.7", 1, b"a \x1b[31m b\nc", 4711)
    assert session_lines.lines(asked, b"@ ") == b"@ qmail-smtpd[4711]: a ?[31m b?c\n"
    foreign = Noted(1, 5, "smtp", "192.0.2.7", 1, b"rblsmtpd: x")
    assert session_lines.lines(foreign) == b"rblsmtpd: x\n"


@pytest.mark.covers("log-line/handed")
def test_a_message_that_a_queue_program_took():
    handed = Handed(
        at=1, code=12345678901, part=1, service="smtp", client="192.0.2.7", client_port=4711,
        client_name="mx.src.test", helo=b"h", sender=b"a@b", recipients=(b"c@d", b"e@f"),
        program=b"/bin/q p", exit_code=0, pid=99, reply=b"250 ok",
        steps=(),
    )  # fmt: skip
    assert session_lines.lines(handed) == (
        b"handed 22PQ-X5MW-JQ/1 192.0.2.7:4711 mx.src.test helo h from <a@b> to 2"
        b" by /bin/q_p exit 0 pid 99: 250_ok\n"
    )
