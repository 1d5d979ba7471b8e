import pytest

from glassmail.core.formats.control import parse_map
from glassmail.core.formats.smtproutes import Relay
from glassmail.core.model.outcome import Outcome
from glassmail.core.model.trail import NO, YES
from glassmail.core.route.smtproutes import find_relay

ROUTES = parse_map(
    "control/smtproutes",
    b"a.b.example:whole\n.b.example:suffix:26\n.example:outer\nplain.example:\nbad.example:x:y\n"
    b"local:\nMixed.Example:mixed\n",
)


@pytest.mark.parametrize(
    ("host", "relay", "line"),
    [
        (b"a.b.example", Relay(b"whole", 25), 1),
        (b"A.B.Example", Relay(b"whole", 25), 1),
        (b"c.b.example", Relay(b"suffix", 26), 2),
        (b"b.example", Relay(b"outer", 25), 3),
        (b"x.y.example", Relay(b"outer", 25), 3),
        (b"plain.example", None, 4),
        (b"mixed.example", Relay(b"mixed", 25), 7),
    ],
)
def test_the_most_special_line_wins(host, relay, line):
    found = find_relay(host, ROUTES)
    assert (found.relay, found.report) == (relay, None)
    assert found.steps[0].answer == YES
    assert found.steps[0].source.startswith(f"control/smtproutes:{line} ")


def test_no_line():
    found = find_relay(b"example", ROUTES)
    assert found.relay is None
    assert found.steps == (("remote.route", b"example", NO, "control/smtproutes (7 entries)"),)


def test_the_empty_key_takes_the_rest():
    routes = parse_map("control/smtproutes", b":[::1]:25\nmx.example:\n")
    assert find_relay(b"any.test", routes).relay == Relay(b"::1", 25)
    assert find_relay(b"", routes).relay == Relay(b"::1", 25)
    assert find_relay(b"mx.example", routes).relay is None


def test_a_line_that_cannot_be_obeyed_defers():
    found = find_relay(b"bad.example", ROUTES)
    assert found.report is not None
    assert found.report.outcome is Outcome.DEFERRAL
    assert found.report.text == b"Unable to read control files. (#4.3.0)\n"
    assert found.steps[-1].source.startswith("control/smtproutes:5: x (hidden): the port")
