"""What may start: limits are kept, nothing is forgotten, nobody starves."""

from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.schedule.dispatch import FRESH_TURNS, GROUP_MAX, Lane, Pass, Recipient


def make_pass(message, count, *, is_fresh=True, domains=1):
    waiting = [
        Recipient(n, b"", b"u%d@d%d.test" % (n, n % domains)) for n in range(count)
    ]
    return Pass(message, 0, None, waiting, is_fresh=is_fresh)


@given(
    st.lists(st.integers(1, 40), max_size=12),
    st.integers(1, 20),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_every_recipient_starts_once_within_the_limit(sizes, limit, grouped, rng):
    lane = Lane(limit, groups_recipients=grouped)
    for number, size in enumerate(sizes):
        lane.add(make_pass(number, size, is_fresh=rng.random() < 0.5, domains=3))
    started, running = [], []
    for _ in range(10_000):
        for start in lane.take():
            started += [(start.turn.message, r.number) for r in start.recipients]
            running += [start.group] * len(start.recipients)
        assert lane.used <= limit
        if not running:
            break
        lane.release(running.pop(rng.randrange(len(running))))
    assert sorted(started) == sorted((m, n) for m, s in enumerate(sizes) for n in range(s))
    assert lane.used == 0


def test_remote_recipients_of_a_domain_share_a_slot():
    lane = Lane(10, groups_recipients=True)
    lane.add(make_pass(1, GROUP_MAX + 5, domains=1))
    starts = lane.take()
    assert [len(s.recipients) for s in starts] == [GROUP_MAX, 5]
    assert lane.used == 2


def test_fresh_and_due_take_turns():
    lane = Lane(100, groups_recipients=False)
    for n in range(20):
        lane.add(make_pass(n, 1))
        lane.add(make_pass(100 + n, 1, is_fresh=False))
    order = [s.turn.is_fresh for s in lane.take()]
    assert order[: FRESH_TURNS + 1].count(False) == 1
    assert order.count(False) == 20


def test_a_message_with_many_recipients_does_not_block_others():
    lane = Lane(255, groups_recipients=False)
    lane.add(make_pass(1, 1_000))
    lane.add(make_pass(2, 1))
    assert 2 in {s.turn.message for s in lane.take()}


def test_removed_messages_do_not_start():
    lane = Lane(5, groups_recipients=False)
    lane.add(make_pass(1, 1))
    lane.add(make_pass(2, 1))
    lane.remove(1)
    assert [s.turn.message for s in lane.take()] == [2]


def test_what_waits_fills_the_free_slots_or_the_wanted_count():
    lane = Lane(10, groups_recipients=False)
    assert not lane.fills(5)
    lane.add(make_pass(1, 3))
    lane.add(make_pass(2, 1, is_fresh=False))
    assert not lane.fills(5)
    lane.add(make_pass(3, 1))
    assert lane.fills(5)
    assert not lane.fills(6)
    lane.used = 5
    assert lane.fills(6)
    lane.used = 10
    assert lane.fills(6)  # nothing is free: to wait for company gains nothing
