import json

from glassmail.core.model.trail import Step
from glassmail.events import codec
from glassmail.events.fields import as_json, key_values, time_of
from glassmail.events.queue import Exiting, Settled

EVENT = Settled(
    1_795_187_823_410_293_000,
    7,
    3,
    0,
    "remote",
    b"a\xff@x",
    "Z",
    b'said "no"\n',
    99,
    (Step("routing.locals", b"x", "no", "control/locals"),),
    (0, 1, 2, 3, False),
)


def test_json_has_every_field_by_name():
    row = json.loads(as_json(EVENT))
    assert row["event"] == "settled"
    assert row["time"] == "2026-11-20T15:17:03.410293Z"
    assert row["address"] == "a\\xff@x"
    assert row["steps"] == [
        {"question": "routing.locals", "subject": "x", "answer": "no", "source": "control/locals"}
    ]
    assert "at" not in row


def test_key_values_quote_what_is_not_bare():
    words = key_values(EVENT)
    assert words.startswith("event=settled time=2026-11-20T15:17:03.410293Z severity=info ")
    assert ' text="said \\"no\\"\\n" ' in words
    assert "\n" not in words


def test_a_time_beyond_the_calendar_is_a_number():
    assert time_of(2**68) == str(2**68)


def test_a_new_event_travels():
    assert codec.decode(codec.encode([Exiting(5)])) == [Exiting(5)]
