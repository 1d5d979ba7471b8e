"""The queue store: what is committed comes back, references are counted, nothing is left behind."""

import pytest

from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.rows import LOCAL, REMOTE, NewMessage, NewRecipient, Settlement
from glassmail.store.queue.schema import DELIVERED, FAILED


@pytest.fixture
def store(tmp_path):
    opened = QueueStore(str(tmp_path / "queue.db"))
    yield opened
    opened.close()


def new(store, *, data=b"body", file=None, body=0, recipients=((b"a@b", LOCAL),), born=100):
    return NewMessage(
        id=store.next_message(), born=born, sender=b"s@t", uid=5, code=77, part=1, kind="user",
        origin=0, head=b"Received: x\n", data=data, file=file, body=body, body_size=4,
        recipients=tuple(NewRecipient(a, c, a) for a, c in recipients),
    )  # fmt: skip


def test_a_message_comes_back_after_reopening(tmp_path):
    path = str(tmp_path / "queue.db")
    store = QueueStore(path)
    with store.transaction():
        store.insert([new(store, recipients=((b"a@b", LOCAL), (b"c@d", REMOTE)))])
    store.close()
    store = QueueStore(path)
    assert store.count == 1
    found = store.load(1)
    assert (found.data, found.head, found.sender) == (b"body", b"Received: x\n", b"s@t")
    assert (found.due_local, found.due_remote) == (100, 100)
    assert [w.address for w in store.waiting(1, REMOTE)] == [b"c@d"]
    assert store.next_message() == 2
    store.close()


def test_numbers_are_not_used_again_after_the_last_message_left(tmp_path):
    path = str(tmp_path / "queue.db")
    store = QueueStore(path)
    with store.transaction():
        store.insert([new(store)])
        store.end([1], has_forwards=False)
    store.close()
    store = QueueStore(path)
    assert store.next_message() == 2
    store.close()


def test_a_body_lives_as_long_as_its_last_reference(store):
    with store.transaction():
        store.insert([new(store, data=None, file="b1-1")])
        store.insert([new(store, data=None, body=1)])
    assert set(store.files()) == {"b1-1"}
    with store.transaction():
        store.end([1], has_forwards=False)
    assert store.dead_files == []
    with store.transaction():
        store.end([2], has_forwards=False)
    assert store.dead_files == ["b1-1"]
    assert store.files() == {}


def test_a_transaction_that_fails_leaves_nothing(store):
    def fail():
        with store.transaction():
            store.insert([new(store)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    store.undone()
    assert store.count == 0
    assert store.load(1) is None


def test_due_passes_come_earliest_first_and_held_ones_not_at_all(store):
    with store.transaction():
        for born in (300, 100, 200):
            store.insert([new(store, born=born)])
        store.hold(3, held=True)
    assert store.due(LOCAL, 1_000, 10) == [(100, 2), (300, 1)]
    assert store.next_due(LOCAL, 100) == 300
    with store.transaction():
        store.set_due(LOCAL, [(None, 2)])
    assert store.due(LOCAL, 1_000, 10) == [(300, 1)]


def test_failed_recipients_are_told_in_order(store):
    with store.transaction():
        store.insert([new(store, recipients=((b"a@b", LOCAL), (b"c@d", LOCAL), (b"e@f", REMOTE)))])
        store.settle([Settlement(1, 2, FAILED, b"no"), Settlement(1, 0, FAILED, b"nope"),
                      Settlement(1, 1, DELIVERED, b"")])  # fmt: skip
    assert list(store.failed(1)) == [(b"a@b", LOCAL, b"nope"), (b"e@f", REMOTE, b"no")]


def test_a_forward_is_remembered_until_its_message_ends(store):
    with store.transaction():
        store.insert([new(store)])
        store.note_forward(1, 0, 0, 9)
    assert store.forward_child(1, 0, 0) == 9
    with store.transaction():
        store.end([1], has_forwards=True)
    assert store.forward_child(1, 0, 0) is None


def test_facts_stay_until_they_are_trimmed(store):
    with store.transaction():
        numbers = [store.keep_facts(b"%d" % n) for n in range(5)]
    assert numbers == [1, 2, 3, 4, 5]
    with store.transaction():
        store.trim_facts(3)
    assert list(store.facts_after(0, 10)) == [(4, b"3"), (5, b"4")]


def test_code_blocks_do_not_overlap_and_outlive_the_store(store):
    with store.transaction():
        first = store.take_codes(1_024, 0)
        second = store.take_codes(1_024, 0)
        later = store.take_codes(1_024, 10**12)
    assert second >= first + 1_024
    assert later >= 10**12


def test_a_drop_file_is_taken_once(store):
    with store.transaction():
        assert store.note_drop("x")
        assert not store.note_drop("x")
        store.forget_drops(["x"])
        assert store.note_drop("x")


def test_values_of_a_damaged_row_come_in_their_types(store):
    """A flipped bit in a record's head makes a number a text; the message still goes its way."""
    with store.transaction():
        store.insert([new(store)])
    store._db.execute("UPDATE message SET born=1.5,part='x',code=2.5,sender='s@t'")
    store._db.execute("UPDATE body SET data='text'")
    store._db.execute("UPDATE recipient SET original='a@b',address=7")
    found = store.load(1)
    types = {name: type(value) for name, value in found._asdict().items() if value is not None}
    assert types.pop("kind") is str
    assert {types.pop(name) for name in ("sender", "head", "data")} == {bytes}
    assert set(types.values()) == {int}
    assert (found.sender, found.data, found.born) == (b"s@t", b"text", 1)
    assert [(w.original, w.address) for w in store.waiting(1, LOCAL)] == [(b"a@b", b"7")]
    assert (store.page(0, 9)[0].sender, store.page(0, 9)[0].born) == (b"s@t", 1)
    assert [row[3:5] for row in store.recipients(1)] == [(b"a@b", b"7")]
    ((waiting,), _after) = store.waiting_page(0, 9)
    assert (waiting.sender, waiting.born, waiting.address) == (b"s@t", 1, b"7")


def test_what_waits_comes_in_pages_of_messages(store):
    with store.transaction():
        store.insert([new(store, recipients=((b"a@b", LOCAL), (b"c@d", REMOTE))) for _ in range(5)])
        store.set_due(REMOTE, [(900, 2)])
        store.settle([Settlement(1, 0, DELIVERED, b""), Settlement(2, 1, 0, b"later\n")])
        store.hold(3, held=True)
    first, after = store.waiting_page(0, 2)
    assert [(row.message, row.channel, row.address) for row in first] == [
        (1, REMOTE, b"c@d"), (2, LOCAL, b"a@b"), (2, REMOTE, b"c@d"),
    ]  # fmt: skip
    assert (first[2].text, first[2].due, first[1].due) == (b"later\n", 900, 100)
    assert after == 2
    rest, after = store.waiting_page(after, 3)
    assert {row.message for row in rest} == {3, 4, 5}
    assert after == 0
    assert [bool(row.held) for row in rest] == [True, True, False, False, False, False]
    assert store.waiting_page(5, 10) == ([], 0)
