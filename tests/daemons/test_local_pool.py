"""The pool of workers, with a forker that only notes what it is asked for."""

import asyncio
import os
import socket

import pytest

from glassmail.daemons import local_pool
from glassmail.daemons.local_messages import (
    Assignment,
    Died,
    TermsNow,
    Work,
    fork_decoder,
    to_worker,
)
from glassmail.daemons.local_pool import Pool
from glassmail.net.blocking import BlockingChannel
from glassmail.net.messages import encode

TERMS = TermsNow(b"./Maildir/", b"mx", b"/bin", 1, 0, False, (), ())


def work(*tasks):
    assigned = [Assignment(t, 0, b"", b"joe", b"x", b"joe", b"/h", b"", b"") for t in tasks]
    return Work(1, b"", b"", b"body", 4, 1, 0, 0, 0, tuple(assigned))


class Ground:
    def __init__(self):
        ours, its = socket.socketpair()
        its.settimeout(5)
        self.forker = BlockingChannel(its)
        self.gone = []
        self.deaths = []
        self.lost = []
        self.workers = {}
        self.pool = Pool(
            ours,
            lambda *_said: None,
            lambda handle, _reason: self.gone.append(handle.key),
            lambda key, died: self.deaths.append((key, died.status)),
            lambda: self.lost.append(True),
        )
        self.pool.set_terms(TERMS)

    async def started(self):
        """The next worker that the forker is asked for: (uid, its channel)."""
        await asyncio.sleep(0)  # frames go out with the next turn of the loop
        payload, (descriptor,) = self.forker.receive()
        order = fork_decoder.decode(payload)
        sock = socket.socket(fileno=descriptor)
        sock.settimeout(5)
        self.workers[order.uid] = BlockingChannel(sock)
        return order

    async def heard(self, uid):
        """The next message for a worker."""
        await asyncio.sleep(0)
        payload, descriptors = self.workers[uid].receive()
        return to_worker.decode(payload), descriptors

    def handle(self, uid):
        return next(each for each in self.pool.handles if each.key[0] == uid)

    def close(self):
        self.pool.close()
        for channel in self.workers.values():
            channel.close()
        self.forker.close()


def with_ground(talk, most=32, monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setattr(local_pool, "WORKERS_MAX", most)

    async def go():
        ground = Ground()
        try:
            await talk(ground)
        finally:
            ground.close()

    asyncio.run(go())


def test_terms_come_first_and_work_is_gathered():
    async def talk(ground):
        ground.pool.give((1, 1), work(1), -1, 0.0)
        ground.pool.give((1, 1), work(2, 3), -1, 0.0)
        assert ((await ground.started()).uid, (await ground.heard(1))[0]) == (1, TERMS)
        ground.pool.flush()
        works, _none = await ground.heard(1)
        assert [len(each.assignments) for each in works.works] == [1, 2]
        assert ground.handle(1).tasks == {1, 2, 3}

    with_ground(talk)


def test_a_descriptor_goes_with_its_work():
    async def talk(ground):
        ground.pool.give((1, 1), work(1), os.open("/dev/null", os.O_RDONLY), 0.0)
        await ground.started()
        await ground.heard(1)
        works, (descriptor,) = await ground.heard(1)
        assert len(works.works) == 1
        os.close(descriptor)

    with_ground(talk)


def test_the_one_idle_longest_makes_room(monkeypatch):
    async def talk(ground):
        for uid, task in ((1, 1), (2, 2)):
            ground.pool.give((uid, uid), work(task), -1, float(uid))
            await ground.started()
        for uid in (2, 1):
            ground.handle(uid).tasks.clear()
            ground.pool.finished(ground.handle(uid), 20.0 - uid)
        ground.pool.give((3, 3), work(3), -1, 30.0)
        assert (await ground.started()).uid == 3
        assert {handle.key[0] for handle in ground.pool.handles} == {1, 3}
        assert ground.gone == [(2, 2)]

    with_ground(talk, 2, monkeypatch)


def test_when_all_are_busy_the_oldest_runs_dry(monkeypatch):
    async def talk(ground):
        pool = ground.pool
        pool.give((1, 1), work(1), -1, 0.0)
        pool.give((2, 2), work(2), -1, 0.0)
        pool.give((3, 3), work(3), -1, 0.0)
        pool.give((1, 1), work(4), -1, 0.0)  # the draining worker gets no more
        first = ground.handle(1)
        assert first.is_draining
        assert first.tasks == {1}
        first.tasks.clear()
        pool.finished(first, 1.0)
        assert {handle.key[0] for handle in pool.handles} == {2, 3}
        assert ground.handle(2).is_draining  # for the work that waits for 1
        ground.handle(2).tasks.clear()
        pool.finished(ground.handle(2), 2.0)
        assert ground.handle(1).tasks == {4}

    with_ground(talk, 2, monkeypatch)


def test_idle_workers_end():
    async def talk(ground):
        ground.pool.give((1, 1), work(1), -1, 0.0)
        ground.pool.end_idle(1_000.0)
        assert ground.pool.handles
        ground.handle(1).tasks.clear()
        ground.pool.finished(ground.handle(1), 1_000.0)
        ground.pool.end_idle(1_029.0)
        assert ground.pool.handles
        ground.pool.end_idle(1_030.0)
        assert not ground.pool.handles

    with_ground(talk)


def test_a_worker_that_talks_nonsense_is_hung_up_on():
    async def talk(ground):
        ground.pool.give((1, 1), work(1), -1, 0.0)
        await ground.started()
        ground.workers[1].send(b"\xc1nonsense")
        async with asyncio.timeout(5):
            while not ground.gone:
                await asyncio.sleep(0)
        assert not ground.pool.handles

    with_ground(talk)


def test_how_a_worker_ended_is_told():
    async def talk(ground):
        ground.pool.give((7, 8), work(1), -1, 0.0)
        order = await ground.started()
        ground.forker.send(encode(Died(order.token, -9)))
        async with asyncio.timeout(5):
            while not ground.deaths:
                await asyncio.sleep(0)
        assert ground.deaths == [((7, 8), -9)]

    with_ground(talk)


@pytest.mark.parametrize("descriptor", [True, False])
def test_waiting_work_is_dropped_with_its_descriptors(monkeypatch, descriptor):
    async def talk(ground):
        ground.pool.give((1, 1), work(1), -1, 0.0)
        before = len(os.listdir("/proc/self/fd"))
        given = os.open("/dev/null", os.O_RDONLY) if descriptor else -1
        ground.pool.give((2, 2), work(2), given, 0.0)
        ground.pool.drop_waiting()
        assert len(os.listdir("/proc/self/fd")) == before

    with_ground(talk, 1, monkeypatch)
