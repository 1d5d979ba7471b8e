import json

import pytest

from glassmail.core.model import code
from glassmail.events import records
from glassmail.events.queue import Ended
from glassmail.events.records import JSON, KEY_VALUE, Records
from tests.store.history.story import (
    MS,
    NOON,
    S,
    accepted,
    refused,
    session_ended,
    settled,
    started,
)

CODE = code.render(1000).decode()


def rows(events, form=JSON):
    made = Records(form)
    return [json.loads(line) for line in map(made.line, events) if line]


@pytest.mark.covers("control/logrecords")
def test_a_message_from_session_to_end():
    found = rows([
        accepted(NOON, 5, code=1000), started(NOON + S, 5, delivery=9),
        settled(NOON + S + 7 * MS, 5, delivery=9), Ended(NOON + 2 * S, 5),
        session_ended(NOON + 3 * S, code=1000),
    ])  # fmt: skip
    assert [row["record"] for row in found] == ["message", "delivery", "end", "session"]
    message, delivery, end, session = found
    assert message["code"] == f"{CODE}/1"
    assert (message["client"], message["helo"]) == ("192.0.2.7", "mx.src.test")
    assert (message["sender"], message["recipients"]) == ("a@src.test", ["joe@here.test"])
    assert delivery["result"] == "success"
    assert (delivery["code"], delivery["sender"]) == (f"{CODE}/1", "a@src.test")
    assert (delivery["ms"], delivery["age_s"], delivery["address"]) == (7, 1, "joe@here.test")
    assert (end["code"], end["age_s"]) == (f"{CODE}/1", 2)
    assert session["code"] == CODE
    assert session["how"]
    assert all("steps" not in row and "load" not in row for row in found)


def test_a_refusal_has_its_reply():
    (row,) = rows([refused(NOON, code=1000)])
    assert row["record"] == "refused"
    assert row["code"].startswith(CODE)
    assert row["reply_code"] >= 400


def test_a_delivery_of_a_message_from_before_the_start_tells_what_is_known():
    (row,) = rows([settled(NOON, 5, outcome="Z", text=b"no\nbody\n", retry_at=77)])
    assert row["result"] == "deferral"
    assert (row["retry_at"], row["text"]) == (77, "no\nbody\n")
    assert "ms" not in row
    assert "sender" not in row


def test_key_values_stay_on_one_line():
    line = Records(KEY_VALUE).line(settled(NOON, 5, text=b'no\nb =\x1b"ody\n'))
    assert line.count(b"\n") == 1
    assert line.startswith(b"time=2026-11-20T12:00:00.000000Z record=delivery ")
    assert b'text="no\\nb =\\u001b\\"ody\\n"' in line


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(records, "REMEMBERED_MAX", 3)
    made = Records(JSON)
    for number in range(10):
        made.line(accepted(NOON, number, code=1000))
        made.line(started(NOON, number, delivery=number))
    assert list(made._messages) == list(made._began) == [7, 8, 9]
