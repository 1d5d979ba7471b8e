"""The rhythm of the history when the disk fails, with a history of the test's own."""

import asyncio

import pytest

from glassmail.daemons.log import keeping as keeping_module
from glassmail.daemons.log.keeping import Keeping
from glassmail.events import codec
from glassmail.store.history.day import Position
from glassmail.store.history.schema import HistoryError
from tests.store.history.story import delivered, refused


class FakeHistory:
    settled_before = 0

    def __init__(self):
        self.durable = Position(9, 0)
        self.held = 0
        self.events = 0
        self.lost = 0
        self.pending_bytes = 0
        self.is_due = False
        self.is_full = False
        self.tails = {}

    def takes_fact(self, _store, number):
        return number > self.held

    def add_fact(self, number, _data, _events):
        self.held = number
        self.is_due = True

    def add_events(self, _data, events):
        self.events += len(events)
        self.is_due = True

    def add_gap(self, text):
        pass

    def lose(self, count):
        self.lost += count

    def commit(self):
        if self.is_full:
            self.held = self.durable.last
            raise HistoryError("database or disk is full")
        self.durable = Position(9, self.held)
        self.is_due = False
        return self.durable

    def close(self):
        self.commit()


class Heard:
    def __init__(self):
        self.confirmed = []
        self.asked_again = 0
        self.alerts = []

    def ask_again(self):
        self.asked_again += 1


def make(history):
    heard = Heard()
    keeping = Keeping(history, heard.confirmed.append, heard.ask_again, heard.alerts.append)
    return keeping, heard


def rows(*numbers):
    return [(n, codec.encode(delivered(1, n)), delivered(1, n)) for n in numbers]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(keeping_module, "COMMIT_S", 0.0)
    monkeypatch.setattr(keeping_module, "REOPEN_S", 0.0)


async def turns(count=10):
    """Let the loop go round: every pause is 0, so that each round does what is due.

    Nothing here depends on how long a round takes.
    """
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_full_disk_confirms_nothing_then_asks_again():
    async def main():
        history = FakeHistory()
        keeping, heard = make(lambda: history)
        keeping.add_facts(9, rows(1, 2))
        await turns()
        assert heard.confirmed[-1] == 2
        history.is_full = True
        keeping.add_facts(9, rows(3))
        await turns()
        assert heard.confirmed[-1] == 2
        assert len(heard.alerts) == 1  # told once, however often it is tried
        assert "full" in heard.alerts[0]
        keeping.add_events(b"", [refused(1, code=5)])
        keeping.add_facts(9, rows(4))  # not kept: the queue has it still
        await turns()
        history.is_full = False
        await turns()
        assert heard.asked_again == 1
        assert heard.alerts[1] == "the history can be written again"
        assert history.lost == 1
        keeping.add_facts(9, rows(3, 4))
        await turns()
        assert heard.confirmed[-1] == 4
        keeping.close()

    asyncio.run(main())


def test_a_history_that_cannot_be_opened_is_tried_again():
    attempts = []

    def open_history():
        attempts.append(1)
        if len(attempts) < 3:
            raise HistoryError("history: Permission denied")
        return FakeHistory()

    async def main():
        keeping, heard = make(open_history)
        assert keeping.durable == Position(0, 0)
        keeping.add_events(b"", [refused(1, code=5)])
        keeping.add_facts(9, rows(1))
        await turns()
        assert len(attempts) == 3
        assert heard.asked_again == 1
        keeping.add_facts(9, rows(1))
        await turns()
        assert heard.confirmed[-1] == 1
        keeping.close()

    asyncio.run(main())


def test_repeats_are_confirmed_at_once():
    async def main():
        history = FakeHistory()
        keeping, heard = make(lambda: history)
        keeping.add_facts(9, rows(1, 2))
        await turns()
        heard.confirmed.clear()
        keeping.add_facts(9, rows(1, 2))
        assert heard.confirmed == [2]
        keeping.close()

    asyncio.run(main())


def test_many_bytes_are_committed_without_waiting(monkeypatch):
    monkeypatch.setattr(keeping_module, "COMMIT_S", 3_600.0)

    async def main():
        history = FakeHistory()
        keeping, heard = make(lambda: history)
        history.pending_bytes = keeping_module.COMMIT_BYTES
        keeping.add_facts(9, rows(1))
        assert heard.confirmed[-1] == 1
        keeping.close()

    asyncio.run(main())


def test_a_question_commits_what_waits():
    async def main():
        history = FakeHistory()
        keeping, heard = make(lambda: history)
        keeping.add_facts(9, rows(1))
        keeping.settle()
        assert heard.confirmed[-1] == 1
        keeping.close()

    asyncio.run(main())
