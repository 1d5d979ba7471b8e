"""Golden: the events behind a log of qmail-send give the log's lines again."""

import re
from pathlib import Path

import pytest

from glassmail.core.formats.tai64n import parse
from glassmail.events import qmail_lines
from glassmail.events.process import Alerted, Notice, Warned
from glassmail.events.queue import (
    Accepted,
    Administered,
    Bounced,
    Discarded,
    Ended,
    Exiting,
    Load,
    Settled,
    Started,
)
from tests.shared import SAMPLES

DATA = Path(__file__).parent.parent / "data" / "log"
LOAD = (1, 10, 0, 20, False)
LETTERS = {"success": "K", "deferral": "Z", "failure": "D"}

STATUS = re.compile(rb"status: local (\d+)/(\d+) remote (\d+)/(\d+)( exitasap)?")
INFO = re.compile(rb"info msg (\d+): bytes (\d+) from <(.*)> qp (\d+) uid (\d+)")
START = re.compile(rb"starting delivery (\d+): msg (\d+) to (local|remote) (.*)")
RESULT = re.compile(rb"delivery (\d+): (success|deferral|failure): (.*)")


def lines_of(path):
    return [parse(line)[1][1:] for line in path.read_bytes().splitlines()]


def load_of(line):
    match = STATUS.fullmatch(line)
    assert match, line
    a, b, c, d = (int(match[n]) for n in range(1, 5))
    return (a, b, c, d, match[5] is not None)


def events_of(lines):
    """Read a log back into events; qmail's qp is a process, ours the message."""
    lines = list(lines)
    while lines:
        line = lines.pop(0)
        if line.startswith(b"new msg "):
            info = INFO.fullmatch(lines.pop(0))
            yield Accepted(
                0, int(info[1]), 0, 0, int(info[2]), info[3], int(info[5]), 0, "user", b"", ()
            )
        elif match := START.fullmatch(line):
            load = load_of(lines.pop(0))
            yield Started(0, int(match[2]), int(match[1]), 0, match[3].decode(), match[4], (), load)
        elif match := RESULT.fullmatch(line):
            letter = LETTERS[match[2].decode()]
            load = load_of(lines.pop(0))
            yield Settled(0, 0, int(match[1]), 0, "local", b"", letter, match[3], 0, (), load)
        elif match := re.fullmatch(rb"bounce msg (\d+) qp (\d+)", line):
            yield Bounced(0, int(match[1]), int(match[2]))
        elif match := re.fullmatch(rb"(triple|double) bounce: discarding bounce/(\d+)", line):
            yield Discarded(0, int(match[2]), match[1].decode())
        elif match := re.fullmatch(rb"end msg (\d+)", line):
            yield Ended(0, int(match[1]))
        elif line == b"status: exiting":
            yield Exiting(0)
        else:
            yield Load(0, *load_of(line))


def with_our_qp(line):
    return re.sub(rb"^(info msg (\d+): .*> qp )\d+", rb"\g<1>\g<2>", line)


def check_log(path):
    lines = lines_of(path)
    rendered = b"".join(qmail_lines.lines(event) for event in events_of(lines))
    assert rendered.splitlines() == [with_our_qp(line) for line in lines]


@pytest.mark.covers(
    "log-line/accepted", "log-line/started", "log-line/settled", "log-line/bounced",
    "log-line/discarded", "log-line/ended", "log-line/load", "log-line/exiting",
)  # fmt: skip
@pytest.mark.parametrize("path", sorted(DATA.glob("send-log-*.txt")), ids=lambda path: path.name)
def test_a_log_of_qmail_send_comes_out_as_it_went_in(path):
    check_log(path)


@pytest.mark.parametrize("name", ["first-run", "hup-alrm", "term", "vpopmail-deliveries"])
def test_the_reference_logs_too(name):
    path = SAMPLES / f"send-log-{name}.txt"
    if not path.exists():
        pytest.skip(f"the reference sample {path.name} is not beside this checkout")
    check_log(path)


def test_every_line_is_stamped():
    event = Started(0, 7, 3, 0, "local", b"joe@x", (), LOAD)
    assert qmail_lines.lines(event, b"@40 ") == (
        b"@40 starting delivery 3: msg 7 to local joe@x\n@40 status: local 1/10 remote 0/20\n"
    )


def test_addresses_and_reports_cannot_break_a_line():
    event = Accepted(0, 7, 0, 0, 1, b"a\nb c%\x1b\xe9@x", 5, 0, "network", b"", ())
    assert b"from <a/b_c___@x> qp 7 uid 5\n" in qmail_lines.lines(event)
    settled = Settled(0, 7, 3, 0, "local", b"", "Z", b"soft error\ntext\n", 0, (), LOAD)
    assert qmail_lines.lines(settled).startswith(b"delivery 3: deferral: soft_error/text/\n")


def test_an_empty_report_keeps_its_blank():
    settled = Settled(0, 7, 3, 0, "local", b"", "K", b"", 0, (), LOAD)
    assert qmail_lines.lines(settled).startswith(b"delivery 3: success: \n")


def test_a_letter_nobody_knows_is_a_mangled_report():
    settled = Settled(0, 7, 3, 0, "local", b"", "X", b"x", 0, (), LOAD)
    assert qmail_lines.lines(settled).startswith(b"delivery 3: report mangled, will defer\n")


@pytest.mark.covers("log-line/warned", "log-line/alerted", "log-line/setting_broken")
def test_news_of_the_queue_reads_as_qmail_writes_it():
    assert qmail_lines.lines(Warned(0, "queue", "unable to stat mess/1")) == (
        b"warning: unable to stat mess/1\n"
    )
    assert qmail_lines.lines(Alerted(0, "queue", "a\nb")) == b"alert: a/b\n"


def test_what_qmail_has_no_line_for():
    assert qmail_lines.lines(Notice(0, "queue", "x")) == b""
    assert qmail_lines.lines(Administered(0, 7, "hold", 0)) == b"admin msg 7: hold by uid 0\n"
