import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.formats.tai64n import label
from glassmail.events import codec
from glassmail.events.case import Query
from glassmail.store.history import everywhere
from glassmail.store.history.forgetting import (
    _in_records,
    forget_history,
    forget_logs,
    forms_of,
    mask,
)
from glassmail.store.history.importing import build
from glassmail.store.history.writer import History
from tests.store.history.story import NOON, S, accepted, delivered, refused, settled

JOE = b"joe@here.test"


def history_with(directory, *events):
    history = History(str(directory), 30, lambda: NOON + 60 * S)
    for number, event in enumerate(events, 1):
        history.takes_fact(1, number)
        history.add_fact(number, codec.encode([event]), [event])
    history.close()


def count(directory, address):
    return everywhere.search(str(directory), Query(("address",), text=address))[0].count


def all_bytes(directory):
    found = b""
    for base, _below, names in os.walk(directory):
        for name in names:
            with open(os.path.join(base, name), "rb") as file:
                found += file.read()
    return found


def test_an_address_is_nowhere_afterwards(tmp_path):
    events = [
        *delivered(NOON, 5, code=1_000),
        *delivered(NOON + S, 6, recipients=(b"Joe@Here.test", b"ann@here.test")),
        *delivered(NOON + 2 * S, 7, recipients=(b"xjoe@here.test",)),
        settled(NOON + 3 * S, 8, outcome="D", text=b"550 <joe@here.test>: unknown\n"),
        refused(NOON + 4 * S, code=2_000, recipient=JOE),
    ]
    history_with(tmp_path, *events)
    assert count(tmp_path, "joe@here.test") == 4
    done = forget_history(str(tmp_path), forms_of(JOE))
    assert done.days == 1
    assert done.records >= 1
    assert count(tmp_path, "joe@here.test") == 0
    assert count(tmp_path, "ann@here.test") == 1
    assert count(tmp_path, "xjoe@here.test") == 1
    _found, (case,) = everywhere.search(str(tmp_path), Query(("message",), number=5))
    assert codec.decode(case.events)[0].recipients == (b"xxx@xxxxxxxxx",)
    _found, (case,) = everywhere.search(str(tmp_path), Query(("message",), number=8))
    assert codec.decode(case.events)[0].text == b"550 <xxx@xxxxxxxxx>: unknown\n"
    assert forget_history(str(tmp_path), forms_of(JOE)).records == 0


@given(
    st.integers(0, 127),
    st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=240),
    st.sampled_from([0, 1, 2]),
)
def test_values_before_and_behind_an_address_hide_nothing(number, local, place):
    """A length or a small number may look like a letter beside the address."""
    address = local.encode() + b"@h.test"
    addresses = [b"a@b", b"c@d", b"e@f"]
    addresses[place] = address
    data = codec.encode([accepted(NOON, number, recipients=tuple(addresses))])
    masked = _in_records(forms_of(address)).sub(lambda match: mask(match[0]), data)
    (event,) = codec.decode(masked)
    assert event.recipients[place] == mask(address)
    assert [event.recipients[n] for n in range(3) if n != place] == [
        addresses[n] for n in range(3) if n != place
    ]
    longer = codec.encode([accepted(NOON, number, recipients=(b"q" + address, address + b"q"))])
    assert _in_records(forms_of(address)).sub(lambda match: mask(match[0]), longer) == longer


def test_forms():
    assert forms_of(JOE, (b"fred-joe@here.test",)) == (
        JOE, b"fred-joe@here.test", b"joe=here.test", b"here.test-joe@here.test",
    )  # fmt: skip


def test_text_logs_are_masked_in_place(tmp_path):
    (tmp_path / "send").mkdir()
    path = tmp_path / "send" / "current"
    line = label(NOON) + b" starting delivery 1: msg 5 to local here.test-Joe@here.test\n"
    other = b"info msg 5: bytes 9 from <xjoe@here.test> qp 1 uid 0\n"
    path.write_bytes(line + other + b"no newline joe@here.test")
    done = forget_logs(str(tmp_path), forms_of(JOE))
    assert (done.lines, done.files) == (2, 1)
    assert path.read_bytes() == (
        line.replace(b"here.test-Joe@here.test", b"xxxxxxxxxxxxx@xxxxxxxxx")
        + other
        + b"no newline xxx@xxxxxxxxx"
    )


def test_imports_are_masked_too(tmp_path):
    source = tmp_path / "log"
    source.write_bytes(b"".join(
        label(NOON + n) + b" " + text + b"\n" for n, text in enumerate([
            b"new msg 5", b"info msg 5: bytes 9 from <a@b.test> qp 1 uid 0",
            b"starting delivery 1: msg 5 to local joe@here.test",
            b"delivery 1: success: did_1+0+0/",
            b"end msg 5"])))  # fmt: skip
    history_with(tmp_path / "history", *delivered(NOON, 5))
    build(str(tmp_path / "history" / "imported" / "old"), [str(source)], NOON)
    assert count(tmp_path / "history", "joe@here.test") == 2
    assert forget_history(str(tmp_path / "history"), forms_of(JOE)).days == 2
    assert count(tmp_path / "history", "joe@here.test") == 0


@pytest.mark.parametrize("data", [b"", b"\0"])
def test_masks(data):
    assert len(mask(data)) == len(data)
