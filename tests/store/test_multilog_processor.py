"""Processors, beside the real multilog where it is installed."""

import os
import re
import shutil
import stat
import subprocess
import time

import pytest

from glassmail.store import multilog, multilog_files, multilog_processor
from glassmail.store.multilog import LogDirectory

# Adds the lines of each file to a count that it carries from run to run, and turns them upside
# down, so that input, output, state and newstate are all seen.
COUNTING = (
    b'read n <&4; while read -r l; do n=$((n+1)); echo "$l:$n"; done; echo $n >&5; exit 0'
)
WAIT_S = 10.0


def line(number, length=60):
    return b"%06d %b\n" % (number, b"x" * (length - 8))


def wait_until(condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def idle(log):
    wait_until(lambda: not log._processor.is_busy)


def finished(path):
    return sorted(p for p in path.iterdir() if p.name.startswith("@"))


def shape(path):
    """Names without their time, with modes and sizes, as the directory's readers see them."""
    rows = []
    for entry in sorted(path.iterdir()):
        name = re.sub(r"^@[0-9a-f]{24}", "@", entry.name)
        rows.append((name, stat.S_IMODE(entry.stat().st_mode)))
    return sorted(rows)


@pytest.mark.covers("control/logprocessor")
def test_finished_files_go_through_the_processor_with_state(tmp_path):
    log = LogDirectory(str(tmp_path / "log"), 4_096, 10, processor=COUNTING)
    for n in range(200):
        log.write([line(n)])
        log.flush()
        idle(log)
    log.close()
    kept = b"".join(p.read_bytes() for p in finished(tmp_path / "log"))
    rows = kept.splitlines()
    assert rows == [line(n)[:-1] + b":%d" % (n + 1) for n in range(len(rows))]
    assert len(rows) == 175
    assert (tmp_path / "log" / "state").read_bytes() == b"%d\n" % len(rows)
    assert log.processor_troubles == []


@pytest.mark.skipif(shutil.which("multilog") is None, reason="daemontools is not installed")
def test_a_directory_looks_as_the_real_multilog_leaves_it(tmp_path):
    data = b"".join(line(n) for n in range(400))
    theirs = tmp_path / "theirs"
    subprocess.run(
        ["multilog", "s4096", "n4", "!" + COUNTING.decode(), str(theirs)],
        input=data, check=True, timeout=60, umask=0o022,
    )  # fmt: skip
    log = LogDirectory(str(tmp_path / "ours"), 4_096, 4, processor=COUNTING)
    for n in range(400):
        log.write([line(n)])
        log.flush()
        idle(log)
    log.close()
    assert shape(tmp_path / "ours") == shape(theirs)
    # Where a file ends depends on how the lines arrive (buffers); what is in them does not.
    rows = b"".join(line(n)[:-1] + b":%d\n" % (n + 1) for n in range(400))
    for directory in (tmp_path / "ours", theirs):
        done = int((directory / "state").read_bytes())
        kept = b"".join(p.read_bytes() for p in finished(directory))
        assert b"".join(rows.splitlines(keepends=True)[:done]).endswith(kept)
        assert (directory / "current").read_bytes() == b"".join(line(n) for n in range(done, 400))


def test_a_processor_that_fails_is_run_again_and_told_once(tmp_path, monkeypatch):
    monkeypatch.setattr(multilog_processor, "PAUSE_S", 0.01)
    (tmp_path / "tries").write_text("")
    command = b"echo x >> %b/tries; test $(wc -l < %b/tries) -ge 3 && cat" % (
        os.fsencode(tmp_path), os.fsencode(tmp_path),
    )  # fmt: skip
    log = LogDirectory(str(tmp_path / "log"), 4_096, 10, processor=command)
    log.write([line(n) for n in range(70)])
    log.flush()
    idle(log)
    log.close()
    assert [p.read_bytes() for p in finished(tmp_path / "log")] == [
        b"".join(line(n) for n in range(68))
    ]
    assert log.processor_troubles == [
        f"{tmp_path}/log: the processor failed with exit code 1: it is run again"
    ]


def test_nothing_waits_for_a_processor_and_the_disk_stays_bounded(tmp_path):
    log = LogDirectory(str(tmp_path / "log"), 4_096, 5, processor=b"exec sleep 600")
    written = [line(n) for n in range(4_000)]
    for one in written:
        log.write([one])
        assert log.flush()
    log.close()
    names = finished(tmp_path / "log")
    assert len(names) == 4
    assert all(p.stat().st_size <= 4_096 * multilog.OVERDUE for p in names)
    assert (tmp_path / "log" / "previous").read_bytes() == b"".join(written[:35])
    log = LogDirectory(str(tmp_path / "log"), 4_096, 100, processor=b"cat")
    idle(log)
    log.close()
    assert not (tmp_path / "log" / "previous").exists()


@pytest.mark.parametrize("has_newstate", [True, False])
def test_a_complete_result_of_a_killed_writer_is_taken(tmp_path, has_newstate):
    LogDirectory(str(tmp_path / "log"), 4_096, 5).close()
    (tmp_path / "log" / "previous").write_bytes(b"raw\n")
    (tmp_path / "log" / "processed").write_bytes(b"done\n")
    (tmp_path / "log" / "processed").chmod(0o744)
    if has_newstate:
        (tmp_path / "log" / "newstate").write_bytes(b"7\n")
    LogDirectory(str(tmp_path / "log"), 4_096, 5, processor=b"exit 9").close()
    assert [p.read_bytes() for p in finished(tmp_path / "log")] == [b"done\n"]
    assert not (tmp_path / "log" / "previous").exists()
    assert (tmp_path / "log" / "state").read_bytes() == (b"7\n" if has_newstate else b"")


def test_without_processor_a_left_previous_is_kept_as_it_is(tmp_path):
    LogDirectory(str(tmp_path / "log"), 4_096, 5).close()
    (tmp_path / "log" / "previous").write_bytes(b"raw\n")
    (tmp_path / "log" / "previous").chmod(0o744)
    LogDirectory(str(tmp_path / "log"), 4_096, 5).close()
    assert [(p.name[-2:], p.read_bytes()) for p in finished(tmp_path / "log")] == [(".s", b"raw\n")]


@pytest.mark.skipif(shutil.which("tail") is None, reason="no tail here")
def test_tail_follows_current_across_rotations(tmp_path):
    log = LogDirectory(str(tmp_path / "log"), 4_096, 50)
    written = [line(n) for n in range(300)]
    log.write(written[:1])
    log.flush()
    command = ["tail", "-n", "+1", "-s", "0.01", "-F", str(tmp_path / "log" / "current")]
    out = tmp_path / "out"
    with (
        out.open("wb") as into,
        subprocess.Popen(command, stdout=into, stderr=subprocess.DEVNULL) as tail,
    ):
        try:
            for n in range(1, 300):
                log.write(written[n : n + 1])
                log.flush()
                if n % 20 == 0:
                    wait_until(lambda n=n: out.read_bytes().count(b"\n") == n + 1)
            wait_until(lambda: out.read_bytes() == b"".join(written))
        finally:
            tail.terminate()
    log.close()
    assert len(finished(tmp_path / "log")) > 2


def test_a_follower_that_sleeps_through_files_still_reads_them_all(tmp_path):
    log = LogDirectory(str(tmp_path / "log"), 4_096, 50)
    follower = multilog_files.Follower(str(tmp_path / "log"))
    written = [line(n) for n in range(400)]
    log.write(written)
    log.flush()
    assert follower.read() == [one[:-1] for one in written]
    follower.close()
    log.close()
