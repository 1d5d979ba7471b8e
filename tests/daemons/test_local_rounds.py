"""Rounds of syncfs: who is served by which. A round ends when the test says so."""

import asyncio
import os
import threading

import pytest

from glassmail.daemons import local_rounds
from glassmail.daemons.local_rounds import Rounds


class Disk:
    """Stands in for syncfs."""

    def __init__(self):
        self.begun = 0
        self._ends = threading.Semaphore(0)
        self._error = None

    def sync(self, _descriptor):
        self.begun += 1
        assert self._ends.acquire(timeout=10)
        error, self._error = self._error, None
        if error is not None:
            raise error

    def end(self, error=None):
        self._error = error
        self._ends.release()


@pytest.fixture
def disk(monkeypatch):
    made = Disk()
    monkeypatch.setattr(local_rounds, "sync_filesystem", made.sync)
    monkeypatch.setattr(local_rounds, "can_syncfs", lambda _device: True)
    return made


def with_rounds(tmp_path, talk, mode=b"auto"):
    async def go():
        problems = []
        rounds = Rounds(mode, problems.append)
        device = rounds.learn(os.open(tmp_path, os.O_RDONLY), owner=1)
        await talk(rounds, device, problems)
        rounds.leave(1)
        rounds.close()

    asyncio.run(go())


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def test_who_joins_during_a_round_waits_for_the_next(tmp_path, disk):
    async def talk(rounds, device, _problems):
        said = []
        rounds.join([device], lambda well: said.append(("first", well)))
        await until(lambda: disk.begun == 1)
        rounds.join([device], lambda well: said.append(("second", well)))
        rounds.join([device], lambda well: said.append(("third", well)))
        disk.end()
        await until(lambda: disk.begun == 2)
        assert said == [("first", True)]
        disk.end()
        await until(lambda: len(said) == 3)
        assert said[1:] == [("second", True), ("third", True)]
        assert disk.begun == 2

    with_rounds(tmp_path, talk)


def test_a_failed_round_fails_only_those_it_served_and_bars_rounds(tmp_path, disk):
    async def talk(rounds, device, problems):
        said = []
        assert not rounds.wants_fsync([device])
        rounds.join([device], said.append)
        await until(lambda: disk.begun == 1)
        rounds.join([device], said.append)
        disk.end(OSError(5, "Input/output error"))
        await until(lambda: disk.begun == 2)
        disk.end()
        await until(lambda: len(said) == 2)
        assert said == [False, True]
        assert rounds.wants_fsync([device])
        assert len(problems) == 1
        assert "Input/output error" in problems[0]

    with_rounds(tmp_path, talk)


def test_the_impatient_are_sent_away_from_a_slow_round(tmp_path, disk, monkeypatch):
    monkeypatch.setattr(local_rounds, "PATIENCE_S", 0.0)

    async def talk(rounds, device, _problems):
        said = []
        rounds.join([device], lambda well: said.append(("patient", well)))
        rounds.join([device], lambda well: said.append(("waiting", well)), is_patient=False)
        await until(lambda: said)
        assert said == [("waiting", False)]
        assert rounds.wants_fsync([device])
        disk.end()
        await until(lambda: len(said) == 2)
        assert said[1] == ("patient", True)
        assert not rounds.wants_fsync([device])
        assert disk.begun == 1  # nobody was left for another round
        rounds.set_mode(b"syncfs")
        rounds.join([device], lambda well: said.append(("obedient", well)), is_patient=False)
        await until(lambda: disk.begun == 2)
        disk.end()
        await until(lambda: len(said) == 3)
        assert said[2] == ("obedient", True)

    with_rounds(tmp_path, talk)


def test_two_filesystems_must_both_end_well(tmp_path, disk):
    async def talk(rounds, device, _problems):
        other = rounds.learn(os.open("/proc", os.O_RDONLY), owner=1)
        assert other != device
        said = []
        rounds.join([device, other], said.append)
        await until(lambda: disk.begun == 2)
        disk.end()
        disk.end(OSError(5, "Input/output error"))
        await until(lambda: said)
        assert said == [False]
        rounds.join([], said.append)
        assert said == [False, True]

    with_rounds(tmp_path, talk)


def test_the_device_is_asked_of_the_kernel_and_let_go_when_unused(tmp_path, disk):
    async def talk(rounds, device, _problems):
        before = len(os.listdir("/proc/self/fd"))
        assert rounds.learn(os.open(tmp_path, os.O_RDONLY), owner=2) == device
        assert device == os.stat(tmp_path).st_dev
        assert len(os.listdir("/proc/self/fd")) == before
        assert not rounds.knows([device, device + 1])
        rounds.join([device], lambda _well: None)
        await until(lambda: disk.begun == 1)
        rounds.leave(1)
        rounds.leave(2)
        assert rounds.knows([device])  # a round is under way
        disk.end()
        await until(lambda: not rounds.knows([device]))
        assert len(os.listdir("/proc/self/fd")) < before + 1

    with_rounds(tmp_path, talk)


def test_the_mode_may_change(tmp_path, disk):
    async def talk(rounds, device, _problems):
        assert not rounds.wants_fsync([device])
        rounds.set_mode(b"fsync")
        assert rounds.wants_fsync([device])
        rounds.batch_took([device], 0.1)

    with_rounds(tmp_path, talk, b"syncfs")
    assert disk.begun == 0
