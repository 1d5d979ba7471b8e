"""Logs of the real qmail-send and ours, read by the same rules."""

from pathlib import Path

import pytest

from glassmail.core.formats.tai64n import parse
from glassmail.events import qmail_lines
from glassmail.events.process import Alerted, SettingBroken, Warned
from glassmail.events.queue import Administered, Discarded, Exiting, Load
from tests.qmail_log import LogFaultError, Totals
from tests.store.history.story import NOON, accepted, bounced, settled, started

DATA = Path(__file__).parent.parent / "data" / "log"


def lines_of(path):
    stamped = (parse(line) for line in path.read_bytes().splitlines())
    return [found[1][1:] for found in stamped if found is not None]


@pytest.mark.parametrize(
    ("name", "counts"),
    [("first-run.txt", {"success": 27, "deferral": 15, "failure": 9, "bounce": 8})],
)
def test_logs_of_the_real_qmail(name, counts):
    totals = Totals().read(lines_of(DATA / name))
    assert totals.counts == counts
    assert totals.deliveries == {}
    assert totals.load == (0, 10, 0, 20)


def test_every_kind_of_our_lines():
    events = [
        Load(NOON, 0, 10, 0, 20), *bounced(NOON, 5, 6),
        accepted(NOON, 7, sender=b"a b%\n\xff@x"), started(NOON, 7, delivery=99),
        settled(NOON, 7, delivery=99, outcome="Z", text=b"a b\nc%\n"),
        started(NOON, 7, delivery=100), settled(NOON, 7, delivery=100, outcome="?", text=b"x"),
        Discarded(NOON, 7, "triple"), Administered(NOON, 7, "hold", 0),
        Warned(NOON, "queue", "trouble\nin select"), Alerted(NOON, "queue", "no\tspace"),
        SettingBroken(NOON, "queue", "control/locals: cannot be read"), Exiting(NOON),
    ]  # fmt: skip
    text = b"".join(qmail_lines.lines(event) for event in events)
    mangled = text.replace(b"delivery 100: report mangled, will defer\n", b"")
    assert mangled != text
    totals = Totals().read(text.splitlines())
    assert totals.counts == {"success": 1, "deferral": 1, "failure": 1, "bounce": 1, "discarded": 1}
    assert totals.ended == [b"5", b"6"]
    assert totals.bytes == 2_700


@pytest.mark.parametrize(
    "line",
    [b"new msg x", b"delivery 1: success:x", b"starting delivery 1: msg 9 to local a",
     b"info msg 3: bytes 1 from <a b> qp 1 uid 1", b"end msg 4"],
)  # fmt: skip
def test_the_reader_is_strict(line):
    with pytest.raises(LogFaultError):
        Totals().read([line])
