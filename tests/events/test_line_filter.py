import pytest

from glassmail.events import qmail_lines, session_lines
from glassmail.events.line_filter import HELD_MAX, Line, LineFilter, Wanted
from glassmail.events.process import Alerted
from glassmail.events.queue import Ended
from tests.store.history.story import (
    NOON,
    accepted,
    bounced,
    delivered,
    refused,
    session_ended,
    settled,
    started,
)


def lines(*events):
    found = []
    for event in events:
        for log, render in (("send", qmail_lines.lines), ("smtpd", session_lines.lines)):
            found += [Line(event.at, log, text, text) for text in render(event).splitlines()]
    return found


def chosen(read, **wanted):
    keep = LineFilter(Wanted(**wanted))
    return [line.text.decode() for given in read for line in keep.feed(given)]


LOG = lines(
    *delivered(NOON, 5, sender=b"Ann@src.test"),
    *bounced(NOON, 6, 7, sender=b"bob@src.test"),
    accepted(NOON, 8, sender=b"ann@src.test", recipients=(b"x@far.test",)),
    started(NOON, 8, delivery=80, address=b"X@far.test", channel="remote"),
    settled(NOON, 8, delivery=80, outcome="Z", text=b"later\n"),
    refused(NOON, code=1000, client="192.0.2.9"),
    refused(NOON, code=1001, client="192.0.2.10"),
    session_ended(NOON, code=1000, client="192.0.2.9"),
    session_ended(NOON, code=1001, client="192.0.2.10"),
    Alerted(NOON, "queue", "no disk"),
)


def heads(found):
    return [text.split(" (")[0][:24].strip() for text in found]


def test_without_a_wish_everything_passes():
    assert chosen(LOG) == [line.text.decode() for line in LOG]


def test_by_sender():
    found = chosen(LOG, sender=b"ann@")
    assert [text for text in found if text.startswith(("new", "end"))] == [
        "new msg 5", "end msg 5", "new msg 8",
    ]  # fmt: skip
    assert not any(text.startswith(("status", "alert")) for text in found)
    assert "delivery 80: deferral: later/" in found


def test_by_recipient_the_lines_before_come_too():
    assert heads(chosen(LOG, recipient=b"far.test")) == [
        "new msg 8", "info msg 8: bytes 900 fr", "starting delivery 80: ms",
        "delivery 80: deferral: l",
    ]  # fmt: skip


def test_by_result():
    found = chosen(LOG, states=frozenset(["failure"]))
    assert heads(found) == [
        "new msg 6", "info msg 6: bytes 900 fr", "starting delivery 6: msg",
        "delivery 6: failure: Sor", "bounce msg 6 qp 7", "end msg 6",
    ]  # fmt: skip


def test_by_client_and_by_refusal():
    both = chosen(LOG, client=b"192.0.2.9")
    assert [text.split()[0] for text in both] == ["refused", "session"]
    assert all("192.0.2.9:" in text for text in both)
    refusals = chosen(LOG, states=frozenset(["refused"]))
    assert [text.split()[0] for text in refusals] == ["refused", "refused", "session", "session"]


@pytest.mark.parametrize(
    "text",
    [b"tcpserver: pid 7 from 192.0.2.9", b"tcpserver: ok 7 mx:192.0.2.1:25 :192.0.2.9::4711",
     b"qmail-smtpd: pid 7 Accept::SNDR::Relay_Client P:SMTP S:192.0.2.9:unknown H:h F: T:a@b",
     b"qmail-smtpd[7]: MFCHECK pass [192.0.2.9] src.test", b"rblsmtpd: 192.0.2.9 pid 7: 451 no"],
)  # fmt: skip
def test_a_client_stands_in_lines_of_other_programs_too(text):
    assert chosen([Line(NOON, "smtpd", text, text)], client=b"192.0.2.9") == [text.decode()]
    assert chosen([Line(NOON, "smtpd", text, text)], client=b"92.0.2.9") == []


def test_a_story_is_its_messages_and_sessions():
    code = LOG[-3].text.split()[1]
    found = chosen(LOG, messages=frozenset([6, 7]), codes=frozenset([code]))
    assert {text for text in found if text.startswith("end")} == {"end msg 6", "end msg 7"}
    assert sum(text.startswith("session") for text in found) == 1
    assert not any("msg 5" in text or "msg 8" in text for text in found)


def test_all_wishes_must_hold():
    assert chosen(LOG, sender=b"ann@", states=frozenset(["failure"])) == []
    assert chosen(LOG, sender=b"ann@", client=b"192.0.2.9") == []


def test_a_log_that_begins_in_the_middle():
    read = lines(settled(NOON, 9, delivery=90), Ended(NOON, 9), started(NOON, 10, delivery=91))
    assert chosen(read, sender=b"a") == []
    assert heads(chosen(read, recipient=b"joe@")) == ["starting delivery 91: ms"]


@pytest.mark.parametrize("wanted", [{"sender": b"zzz"}, {"recipient": b"zzz"}])
def test_memory_is_bounded(wanted):
    keep = LineFilter(Wanted(**wanted))
    for number in range(HELD_MAX + 100):
        for line in lines(accepted(NOON, number), started(NOON, number, delivery=number)):
            keep.feed(line)
    assert len(keep._messages) <= HELD_MAX
    assert len(keep._deliveries) <= HELD_MAX
