import errno
import os

import pytest

from glassmail.core.formats.tai64n import parse
from glassmail.store import multilog, multilog_files, waiting_lines
from glassmail.store.multilog import LogBusyError, LogDirectory


class Clock:
    def __init__(self):
        self.now = 1_795_187_823_000_000_000

    def __call__(self):
        self.now += 1_000
        return self.now


def make(path, size=4_096, files=3, **more):
    return LogDirectory(str(path / "log"), size, files, clock=Clock(), **more)


def mode_of(path):
    return path.stat().st_mode & 0o777


def line(number, length=60):
    return b"%06d %b\n" % (number, b"x" * (length - 8))


def test_current_is_0644_while_written_and_0744_when_closed(tmp_path):
    log = make(tmp_path)
    assert mode_of(tmp_path / "log") == mode_of(tmp_path)
    assert mode_of(tmp_path / "log" / "current") == 0o644
    log.write([b"a\n", b"b\n"])
    assert log.flush()
    assert (tmp_path / "log" / "current").read_bytes() == b"a\nb\n"
    log.close()
    assert mode_of(tmp_path / "log" / "current") == 0o744


def test_a_safely_closed_current_is_continued(tmp_path):
    log = make(tmp_path)
    log.write([b"a\n"])
    log.close()
    log = make(tmp_path)
    log.write([b"b\n"])
    log.close()
    assert (tmp_path / "log" / "current").read_bytes() == b"a\nb\n"


def test_a_current_of_a_killed_writer_is_set_aside_as_u(tmp_path):
    log = make(tmp_path)
    log.write([b"a\n"])
    log.flush()
    log._lock.close()  # killed: nothing else happened
    log = make(tmp_path)
    log.close()
    names = sorted(p.name for p in (tmp_path / "log").iterdir())
    assert [name[-2:] for name in names if name.startswith("@")] == [".u"]
    assert (tmp_path / "log" / "current").read_bytes() == b""


def test_rotation_keeps_whole_lines_and_the_newest_files(tmp_path):
    log = make(tmp_path, files=3)
    written = [line(n) for n in range(700)]
    for n in range(0, 700, 7):
        log.write(written[n : n + 7])
        assert log.flush()
    log.close()
    finished = sorted(p for p in (tmp_path / "log").iterdir() if p.name.startswith("@"))
    assert len(finished) == 2  # the third is current
    for path in finished:
        assert path.name.endswith(".s")
        assert mode_of(path) == 0o744
        assert 4_096 - 2_000 <= path.stat().st_size <= 4_096
        assert parse(path.name[:25].encode()) is not None
    kept = b"".join(p.read_bytes() for p in finished)
    kept += (tmp_path / "log" / "current").read_bytes()
    assert b"".join(written).endswith(kept)


def test_one_batch_larger_than_many_files(tmp_path):
    log = make(tmp_path, files=100)
    written = [line(n) for n in range(1_000)]
    log.write([b"".join(written)])
    assert log.flush()
    log.close()
    assert b"".join(
        read + b"\n" for read in multilog_files.lines(str(tmp_path / "log"))
    ) == b"".join(written)


def test_a_line_longer_than_a_file_stays_whole(tmp_path):
    log = make(tmp_path)
    log.write([b"y" * 10_000 + b"\n", b"z\n"])
    assert log.flush()
    log.close()
    finished = [p for p in (tmp_path / "log").iterdir() if p.name.startswith("@")]
    assert [p.stat().st_size for p in finished] == [10_001]


def test_the_sync_of_a_finished_file_is_left_to_aside(tmp_path):
    later = []
    log = make(tmp_path, aside=later.append)
    log.write([line(n) for n in range(70)])
    assert log.flush()
    names = [p.name for p in (tmp_path / "log").iterdir() if p.name.startswith("@")]
    assert [name[-2:] for name in names] == [".u"]
    for work in later:
        work()
    names = [p.name for p in (tmp_path / "log").iterdir() if p.name.startswith("@")]
    assert [name[-2:] for name in names] == [".s"]
    log.close()


def test_a_second_writer_is_refused(tmp_path):
    log = make(tmp_path)
    with pytest.raises(LogBusyError):
        make(tmp_path)
    log.close()


class FullDisk:
    """os.write until the disk is full; what fits of a write is written, as the kernel does."""

    def __init__(self, room):
        self.room = room
        self.write = os.write

    def __call__(self, fd, data):
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = self.write(fd, bytes(data[: self.room]))
        self.room -= count
        return count


def test_a_full_disk_loses_nothing_while_memory_lasts(tmp_path, monkeypatch):
    log = make(tmp_path)
    disk = FullDisk(100)
    monkeypatch.setattr(multilog.os, "write", disk)
    log.write([line(1)])
    assert log.flush()
    log.write([line(2), line(3)])
    assert not log.flush()
    assert log.trouble.errno == errno.ENOSPC
    assert (tmp_path / "log" / "current").read_bytes() == line(1)  # no torn line
    disk.room = 10**6
    log.write([line(4)])
    assert log.flush()
    assert log.trouble is None
    log.close()
    assert (tmp_path / "log" / "current").read_bytes() == b"".join(line(n) for n in (1, 2, 3, 4))


def test_what_memory_cannot_hold_is_counted_and_told(tmp_path, monkeypatch):
    log = make(tmp_path)
    disk = FullDisk(0)
    monkeypatch.setattr(multilog.os, "write", disk)
    monkeypatch.setattr(waiting_lines, "WAITING_BYTES_MAX", 600)
    for n in range(30):
        log.write([line(n)])
        log.flush()
    lost = log._waiting.lost
    assert lost > 0
    disk.room = 10**6
    assert log.flush()
    log.close()
    text = (tmp_path / "log" / "current").read_bytes()
    assert b"alert: %d lines of this log were lost: the disk took none\n" % lost in text
    assert text.count(b"\n") == 30 - lost + 1
    assert line(29) in text


def test_a_current_that_is_a_symlink_is_not_followed(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "other").write_text("precious")
    (tmp_path / "log" / "current").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        make(tmp_path)
    assert (tmp_path / "other").read_text() == "precious"


def test_last_lines_reach_into_the_file_before(tmp_path):
    log = make(tmp_path, files=10)
    written = [line(n) for n in range(200)]
    for one in written:
        log.write([one])
        log.flush()
    log.close()
    for count in (0, 1, 5, 100, 199, 500):
        expected = [one[:-1] for one in written[max(0, 200 - count) :]] if count else []
        assert multilog_files.last_lines(str(tmp_path / "log"), count) == expected


def test_a_follower_sees_lines_across_rotations(tmp_path):
    log = make(tmp_path, files=50)
    log.write([b"old\n"])
    log.flush()
    follower = multilog_files.Follower(str(tmp_path / "log"))
    seen = []
    written = [line(n) for n in range(150)]
    for n in range(0, 150, 10):
        log.write(written[n : n + 10])
        log.flush()
        seen += follower.read()
    follower.close()
    log.close()
    assert seen == [one[:-1] for one in written]


@pytest.mark.parametrize("name", ["@zzz", "@", "@400000006b00648239zzzzzz.s", "@note.txt"])
def test_files_of_others_are_left_alone(tmp_path, name):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / name).write_text("not ours")
    log = make(tmp_path)
    written = [line(n) for n in range(500)]
    log.write(written)
    assert log.flush()
    log.close()
    assert (tmp_path / "log" / name).read_text() == "not ours"
    read = list(multilog_files.lines(str(tmp_path / "log")))
    assert [one[:-1] for one in written][-len(read) :] == read


def test_a_clock_that_goes_back_keeps_the_order_of_files(tmp_path):
    clock = Clock()
    log = LogDirectory(str(tmp_path / "log"), 4_096, 50, clock=clock)
    written = [line(n) for n in range(600)]
    for n in range(0, 600, 10):
        clock.now -= 10**9 if n % 100 else 10**13
        log.write(written[n : n + 10])
        assert log.flush()
    log.close()
    read = list(multilog_files.lines(str(tmp_path / "log")))
    assert read == [one[:-1] for one in written]
