import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.events import session_lines
from glassmail.events.smtpd_lines import read
from tests.store.history.story import NOON, refused, session_ended


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"tcpserver: pid 12 from 192.0.2.1", {"kind": "from", "pid": 12, "client": "192.0.2.1"}),
        (
            b"tcpserver: ok 123 mx.test:10.0.0.1:25 h.test:192.0.2.1::4711",
            {"kind": "ok", "pid": 123, "client": "192.0.2.1", "port": 4711, "name": "h.test"},
        ),
        (
            b"tcpserver: deny 123 :10.0.0.1:25 :192.0.2.1::4711 MAXCONNIP:2",
            {"kind": "deny", "is_refusal": True, "text": b"MAXCONNIP:2"},
        ),
        (b"tcpserver: end 12 status 256", {"kind": "end", "pid": 12, "status": 256}),
        (b"tcpserver: status: 1/40", {"kind": "status"}),
        (
            b"rblsmtpd: 192.0.2.1 pid 21515: 451 go away",
            {"client": "192.0.2.1", "is_refusal": True, "text": b"451 go away"},
        ),
        (
            b"qmail-smtpd: pid 12 Reject::RCPT::Rcpthosts P:SMTP S:192.0.2.1:h H:mx F:a@b T:c@d",
            {
                "client": "192.0.2.1",
                "helo": b"mx",
                "sender": b"a@b",
                "recipient": b"c@d",
                "is_refusal": True,
            },
        ),
        (
            b"qmail-smtpd[12]: validrcptto [192.0.2.1] reject: c@d.test",
            {"pid": 12, "client": "192.0.2.1", "recipient": b"c@d.test", "is_refusal": True},
        ),
        (b"qmail-smtpd[12]: MAIL FROM:<a@b.test>", {"sender": b"a@b.test", "is_refusal": False}),
        (
            b"CHKUSER rejected rcpt: from <a@b::> remote <helo:host:192.0.2.1> rcpt <c@d> : no one",
            {"client": "192.0.2.1", "recipient": b"c@d", "is_refusal": True, "check": "chkuser"},
        ),
        (
            b"rcptcheck.pl[1][2]: a@b c@d 192.0.2.1 OK A",
            {"pid": 2, "sender": b"a@b", "is_refusal": False},
        ),
    ],
)
def test_lines_of_others(line, expected):
    found = read(line)._asdict()
    assert {key: found[key] for key in expected} == expected


def test_our_own_lines():
    event = refused(NOON, code=99, part=1, recipient=b"c@d")
    line = read(session_lines.lines(event).rstrip(b"\n"))
    assert (line.kind, line.code, line.part, line.client) == ("refused", 99, 1, "192.0.2.7")
    assert (line.sender, line.recipient, line.check) == (b"a@src.test", b"c@d", "recipient")
    line = read(session_lines.lines(session_ended(NOON, code=99)).rstrip(b"\n"))
    assert (line.kind, line.code, line.client, line.text) == ("session", 99, "192.0.2.7", b"quit")


@given(st.binary(max_size=200))
def test_foreign_bytes_are_no_line(data):
    found = read(b"xyz" + data)
    assert found is None or found.kind == "said"
