import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.events import codec
from glassmail.events.case import LIFE
from glassmail.events.line_times import take_time
from glassmail.events.queue import Accepted, Bounced, Ended, Settled, Started
from glassmail.events.send_story import GRACE_NS, SendLog, readable
from glassmail.events.smtpd_story import SmtpdLog
from tests.house.sources import PROJECT
from tests.store.history.story import NOON, S

LOG = PROJECT / "tests" / "data" / "logs" / "qmail-send.log"


def events_of(lines):
    log = SendLog()
    found = []
    for line in lines:
        timed = take_time(line, NOON)
        found += log.feed(timed.at, timed.text)
    return found + log.finish()


@pytest.fixture(scope="module")
def events():
    return events_of(LOG.read_bytes().splitlines())


def of(events, kind, message):
    return [event for event in events if isinstance(event, kind) and event.message == message]


def test_a_message_with_its_recipients(events):
    (accepted,) = of(events, Accepted, 176)
    assert accepted.recipients == (b"ann@virt.test", b"odd_joe@virt.test")
    assert (accepted.size, accepted.uid, accepted.sender) == (192, 995, b"")
    assert [event.address for event in of(events, Started, 176)] == [
        b"virt.test-ann@virt.test",
        b"virt.test-odd_joe@virt.test",
    ]
    outcomes = {event.number: (event.outcome, event.text) for event in of(events, Settled, 176)}
    assert outcomes == {
        0: ("K", b"did 1+1+0\nqp 29932\n"),
        1: ("D", b"Sorry, no mailbox here by that name. (#5.1.1)\n"),
    }


def test_a_number_that_is_used_again_is_another_message(events):
    """The bounce has the inode of the message that it is for, which was just removed."""
    second = 176 + LIFE
    (bounce,) = of(events, Accepted, second)
    assert (bounce.sender, bounce.origin, bounce.kind) == (b"#@[]", 176, "bounce")
    assert of(events, Bounced, 176)[0].bounce == second
    assert len(of(events, Ended, 176)) == len(of(events, Ended, second)) == 1


def test_a_forward_that_is_logged_before_its_delivery(events):
    (forward,) = of(events, Accepted, 179)
    assert (forward.origin, forward.kind) == (176, "forward")


def test_a_message_that_still_waits(events):
    (settled,) = of(events, Settled, 195)
    assert settled.outcome == "Z"
    assert settled.retry_at == settled.at // S + 400
    assert not of(events, Ended, 195)


def test_messages_are_told_when_they_are_over():
    log = SendLog()
    for number, text in enumerate(
        [b"new msg 5", b"info msg 5: bytes 9 from <a@b> qp 1 uid 0", b"end msg 5"]
    ):
        assert log.feed(NOON + number, text) == []
    told = log.feed(NOON + GRACE_NS + S, b"status: local 0/10 remote 0/20")
    assert [type(event) for event in told] == [Accepted, Ended]
    assert log.lines == 4
    assert log.finish() == []


def test_a_log_that_begins_in_the_middle():
    events = events_of([b"1795176000.000000 delivery 7: success: did_1+0+0/",
                        b"1795176000.000000 starting delivery 8: msg 5 to local joe@here.test",
                        b"1795176001.000000 delivery 8: success: did_1+0+0/",
                        b"1795176001.000000 end msg 5", b"garbage"])  # fmt: skip
    assert [type(event) for event in events] == [Started, Settled, Ended]


@pytest.mark.parametrize(
    ("logged", "was"),
    [
        (b"did_1+0+0/", b"did 1+0+0\n"),
        (b"a_b./Remote_host_said:_550-no/550_x/Giving_up_on_x./",
         b"a b.\nRemote host said: 550-no\n550 x\nGiving up on x.\n"),
        (b"see_https://x.test/y_now/", b"see https://x.test/y now\n"),
        (b"", b""),
    ],
)  # fmt: skip
def test_reports_are_readable_again(logged, was):
    assert readable(logged) == was


_WORDS = st.sampled_from([
    b"new msg 5", b"info msg 5: bytes 9 from <a@b> qp 7 uid 0", b"end msg 5", b"new msg 7",
    b"starting delivery 1: msg 5 to local x@y", b"starting delivery 1: msg 7 to remote x@y",
    b"delivery 1: success: did_1+1+0/qp_9/", b"delivery 1: deferral: x/", b"bounce msg 5 qp 9",
    b"info msg 7: bytes 9 from <> qp 9 uid 0", b"delivery 1: report mangled, will defer",
    b"triple bounce: discarding bounce/7", b"admin msg 5: hold by uid 0", b"status: exiting",
    b"tcpserver: pid 9 from 192.0.2.7", b"tcpserver: end 9 status 0", b"hello",
])  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 3), _WORDS | st.binary(max_size=60)), max_size=40))
def test_any_order_of_lines_gives_events_that_travel(lines):
    send, smtpd = SendLog(), SmtpdLog()
    at, events = NOON, []
    for pause, text in lines:
        at += pause * 30 * S
        events += send.feed(at, text)
        events += smtpd.feed(at, text)
    events += send.finish()
    assert codec.decode(codec.encode(events)) == events
    accepted = [event.message for event in events if isinstance(event, Accepted)]
    assert len(accepted) == len(set(accepted))
