import os

import pytest

from glassmail.store import sync
from glassmail.store.sync import Chooser, filesystem_type, fsync_each, kernel_reports_errors


def test_syncfs_reaches_the_disk_and_reports_a_bad_descriptor(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    sync.sync_filesystem(descriptor)
    os.close(descriptor)
    with pytest.raises(OSError, match="Bad file descriptor"):
        sync.sync_filesystem(descriptor)


def test_the_type_of_a_filesystem(tmp_path):
    with open("/proc/self/mountinfo", "rb") as file:
        lines = file.read().splitlines()
    types = {line.partition(b" - ")[2].split(b" ", 1)[0] for line in lines}
    assert filesystem_type(os.stat("/proc").st_dev) == b"proc"
    assert filesystem_type(os.stat(tmp_path).st_dev) in types
    assert filesystem_type(os.makedev(4_000, 77)) == b""


@pytest.mark.parametrize(
    ("release", "answer"),
    [("5.8.0", True), ("5.7.19-x", False), ("6.18.44-fc", True), ("4.19", False), ("odd", False)],
)
def test_which_kernels_report_errors(release, answer):
    assert kernel_reports_errors(release) is answer


def test_fsync_each_answers_for_each(tmp_path):
    good = [os.open(tmp_path / str(n), os.O_CREAT | os.O_WRONLY) for n in range(3)]
    reader, writer = os.pipe()
    answers = fsync_each([good[0], writer, *good[1:]])
    assert [error is None for error in answers] == [True, False, True, True]
    assert fsync_each([good[0]]) == [None]
    for descriptor in (*good, reader, writer):
        os.close(descriptor)


def test_a_mode_is_obeyed():
    assert Chooser(b"fsync", can_syncfs=True).wants_fsync(0)
    assert Chooser(b"auto", can_syncfs=False).wants_fsync(0)
    slow = Chooser(b"syncfs", can_syncfs=True)
    slow.round_took(1.0)
    assert not slow.wants_fsync(100)


def test_slow_rounds_lead_to_fsync_and_quick_ones_back():
    chooser = Chooser(b"auto", can_syncfs=True)
    assert not chooser.wants_fsync(0)
    for _ in range(20):
        chooser.round_took(0.2)
    assert chooser.wants_fsync(10)  # once, to measure
    assert not chooser.wants_fsync(10.1)
    chooser.batch_took(0.05)
    assert chooser.wants_fsync(10.2)
    assert not chooser.wants_probe(10.3)
    assert chooser.wants_probe(12.5)
    for seconds in (0.003, 0.003, 0.2, 0.003, 0.003):
        chooser.round_took(seconds)
        assert chooser.wants_fsync(13)
    chooser.round_took(0.003)
    assert not chooser.wants_fsync(14)


def test_fsync_that_is_slower_is_not_kept():
    chooser = Chooser(b"auto", can_syncfs=True)
    chooser.round_took(0.05)
    assert chooser.wants_fsync(10)
    chooser.batch_took(0.5)
    assert not chooser.wants_fsync(10.5)


def test_a_failed_round_bars_rounds():
    chooser = Chooser(b"syncfs", can_syncfs=True)
    chooser.bar(60)
    assert chooser.wants_fsync(59)
    assert not chooser.wants_fsync(61)
