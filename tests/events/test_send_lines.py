import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.address import safe_for_log
from glassmail.events import qmail_lines
from glassmail.events.queue import Accepted, Administered, Bounced, Discarded, Ended
from glassmail.events.send_lines import SendLine, read
from tests.store.history.story import NOON, settled, started

_NUMBERS = st.integers(1, 10**18 - 1)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"new msg 1614168", SendLine("new", 1614168)),
        (
            b"info msg 1614168: bytes 221 from <sender@src.test> qp 28193 uid 995",
            SendLine("info", 1614168, address=b"sender@src.test", size=221, qp=28193, uid=995),
        ),
        (
            b"starting delivery 3: msg 7 to local virt.test-ann@virt.test",
            SendLine("starting", 7, 3, "local", b"virt.test-ann@virt.test"),
        ),
        (b"delivery 6: success: ", SendLine("delivery", delivery=6, outcome="K")),
        (
            b"delivery 4: failure: Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/",
            SendLine(
                "delivery",
                delivery=4,
                outcome="D",
                text=b"Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/",
            ),
        ),
        (b"delivery 4: report mangled, will defer", SendLine("mangled", delivery=4)),
        (b"bounce msg 7 qp 29941", SendLine("bounce", 7, qp=29941)),
        (b"triple bounce: discarding bounce/7", SendLine("discarded", 7, text=b"triple")),
        (b"end msg 7", SendLine("end", 7)),
        (b"status: local 0/10 remote 0/20", SendLine("status")),
        (b"status: local 0/10 remote 0/20 exitasap", SendLine("status")),
        (b"status: exiting", SendLine("exiting")),
        (b"alert: out of memory", SendLine("alert", text=b"out of memory")),
    ],
)
def test_lines(line, expected):
    assert read(line) == expected


@pytest.mark.parametrize(
    "line", [b"", b"n", b"new msg", b"new msg x", b"end msg 7 ", b"delivery 4: maybe: x", b"info"]
)
def test_other_lines_are_none(line):
    assert read(line) is None


@given(_NUMBERS, st.binary(max_size=40), st.binary(max_size=80), st.sampled_from("KZD"))
def test_what_is_written_is_read_again(number, address, text, outcome):
    """The reverse of qmail_lines, up to what a log line cannot hold."""
    accepted = Accepted(NOON, number, 0, 0, 900, address, 7, 0, "network", b"", (b"x",))
    new, info = qmail_lines.lines(accepted).splitlines()
    assert read(new) == SendLine("new", number)
    told = read(info)
    assert (told.message, told.size, told.uid) == (number, 900, 7)
    assert told.address == safe_for_log(address)
    start = qmail_lines.lines(started(NOON, number, address=address)).split(b"\n")[0]
    assert read(start).address == safe_for_log(address)
    end = qmail_lines.lines(settled(NOON, number, text=text, outcome=outcome)).split(b"\n")[0]
    told = read(end)
    assert (told.delivery, told.outcome, told.text) == (number, outcome, safe_for_log(text))


def test_other_events_are_read_again():
    for event, kind in (
        (Bounced(NOON, 5, 6), "bounce"),
        (Discarded(NOON, 5, "double"), "discarded"),
        (Ended(NOON, 5), "end"),
        (Administered(NOON, 5, "hold", 0), "admin"),
    ):
        line = read(qmail_lines.lines(event).rstrip(b"\n"))
        assert (line.kind, line.message) == (kind, 5)
