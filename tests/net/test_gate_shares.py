"""Which connections a process lets in by itself, and when everybody has to ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.core.model.networks import address_of
from glassmail.core.schedule.gate_book import GateBook
from glassmail.daemons import gate_crowds
from glassmail.daemons.gate_crowds import Crowds
from glassmail.net.gate_messages import Crowded, Enter
from glassmail.net.gate_shares import EXACT, Shares

ONE, NEAR, FAR = (address_of(ip) for ip in (b"192.0.2.1", b"192.0.2.9", b"198.51.100.1"))


def shares(servers):
    made = Shares()
    made.servers = servers
    return made


@pytest.mark.parametrize(
    ("servers", "counts", "limits", "is_held"),
    [
        (0, (1, 1, 1), (100, 100, 100), False),  # nobody knows how many there are
        (2, (1, 1, 1), (4, -1, -1), True),
        (2, (2, 2, 2), (4, -1, -1), False),
        (2, (1, 1, 1), (3, -1, -1), False),  # too small to be shared
        (2, (1, 5, 5), (-1, 20, -1), True),
        (2, (1, 6, 6), (-1, 20, -1), False),
        (2, (1, 1, 11), (100, 100, 40), False),
        (2, (1, 1, 1), EXACT, False),
        (8, (1, 1, 1), (16, 16, 16), True),
    ],
)
def test_a_share_is_half_of_the_limit_divided(servers, counts, limits, is_held):
    assert shares(servers).holds(ONE, counts, limits) is is_held


def test_a_crowded_network_is_asked_about():
    made, counts, limits = shares(2), (1, 1, 1), (20, 20, 20)
    made.learn(Crowded("192.0.2.0/24", True))
    assert not made.holds(NEAR, counts, limits)
    assert made.holds(FAR, counts, limits)
    made.learn(Crowded("192.0.2.0/24", False))
    made.learn(Crowded("no network", True))
    assert made.holds(NEAR, counts, limits)
    made.learn(Crowded("", True))
    assert not made.holds(FAR, counts, limits)
    made.forget()
    made.servers = 2
    assert made.holds(FAR, counts, limits)


def test_a_crowd_goes_when_half_of_the_limit_is_free():
    book, told = GateBook(), []
    crowds = Crowds(book, told.append)
    for _ in range(12):
        book.enter(ONE)
    crowds.asked(ONE, Enter(1, b"", (), (10, -1)))
    crowds.asked(ONE, Enter(2, b"", (), (8, 20)))
    assert told == [Crowded("192.0.2.0/24", True), Crowded("", True)]
    assert list(crowds.all()) == told
    for _ in range(3):
        book.leave(ONE)
        crowds.left(ONE)
    assert told[2:] == [Crowded("", False)]
    book.leave(ONE)
    crowds.left(ONE)
    assert told[3:] == [Crowded("192.0.2.0/24", False)]
    assert not list(crowds.all())


def test_at_most_so_many_crowds(monkeypatch):
    monkeypatch.setattr(gate_crowds, "CROWDS_MAX", 1)
    told = []
    crowds = Crowds(GateBook(), told.append)
    crowds.asked(ONE, Enter(1, b"", (), (10, -1)))
    crowds.asked(FAR, Enter(1, b"", (), (10, -1)))
    assert told == [Crowded("192.0.2.0/24", True), Crowded("", True)]
    crowds.left(ONE)
    assert told[2:] == [Crowded("192.0.2.0/24", False), Crowded("", False)]


@given(
    st.integers(1, 30), st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 3)), max_size=150),
)
def test_no_limit_is_ever_passed(limit, servers, moves):
    """Processes that hear each other at once: whoever goes in, the limit holds."""
    own, knows = [0] * servers, [shares(servers) for _ in range(servers)]
    books = [GateBook() for _ in range(servers)]
    everybody = GateBook()
    crowds = Crowds(everybody, lambda said: [each.learn(said) for each in knows])
    limits = (limit, -1, -1)
    for number, step in moves:
        server = number % servers
        if step < 0 and own[server]:
            own[server] -= 1
            books[server].leave(ONE)
            everybody.leave(ONE)
            crowds.left(ONE)
            continue
        counts = books[server].enter(ONE)
        is_held = knows[server].holds(ONE, counts, limits)
        if not is_held:
            crowds.asked(ONE, Enter(1, b"", (), knows[server].free_again(limits)))
        total = everybody.enter(ONE)[0]
        own[server] += 1
        if not is_held and total > limit:  # refused
            own[server] -= 1
            books[server].leave(ONE)
            everybody.leave(ONE)
            crowds.left(ONE)
        assert sum(own) <= limit
