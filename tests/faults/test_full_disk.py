"""No room, no inodes, no descriptors, no memory, no writing at all, a clock that jumps.

What got a 250 arrives exactly once, what cannot be taken gets 4xx, and all goes on by itself.
"""

import contextlib
import os
import resource
import shutil
import smtplib
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.harness import bench_module

letters = bench_module("letters")
small = bench_module("small_site")

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a tmpfs")
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
RESERVE = 33_554_432


class Disk:
    """A tmpfs of its own."""

    def __init__(self, path, options):
        self.path = path
        os.makedirs(path)
        self.mount(options)

    def mount(self, options):
        words = ["mount", "-t", "tmpfs", "-o", options, "none", self.path]
        subprocess.run(words, check=True)

    def remount(self, options):
        words = ["mount", "-o", f"remount,{options}", self.path]
        return subprocess.run(words, check=False).returncode

    def empty(self):
        """Take back what `fill` took."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.path, "ballast"))

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True)
        os.rmdir(self.path)


def fill(disk):
    """Not a byte is left then, or not an inode."""
    with contextlib.suppress(OSError), open(os.path.join(disk.path, "ballast"), "wb", 0) as ballast:
        while ballast.write(bytes(65_536)):
            pass


@pytest.fixture
def make_disk():
    made = []

    def make(options):
        disk = Disk(f"/tmp/glassmail-faults-{os.getpid()}-{len(made)}", f"mode=755,{options}")
        made.append(disk)
        return disk

    yield make
    for disk in made:
        disk.close()


class Sender:
    """Numbers what it hands in, and remembers what was promised."""

    def __init__(self, site, sizes=letters.SMALL):
        self.site = site
        self.sizes = sizes
        self.accepted, self.refused, self.count = [], [], 0

    def one(self):
        self.count += 1
        ident = f"m-{self.count}"
        answer = self.site.send(ident, "direct", self.sizes)
        (self.accepted if answer == "250" else self.refused).append(ident)
        assert answer == "250" or answer.startswith("4") or answer == "gone", answer
        return answer

    def until_refused(self, most):
        return next(answer for answer in (self.one() for _ in range(most)) if answer != "250")

    def until_taken(self, within_s=20):
        small.until(lambda: self.one() == "250", "mail is taken again", within_s)

    def until_there(self, within_s=40):
        flush_at = time.monotonic()
        deadline = flush_at + within_s
        while not (set(self.accepted) <= set(self.site.arrived()) and self.site.queued() == 0):
            assert time.monotonic() < deadline, (self.site.rows()[:3], self.site.said())
            if time.monotonic() > flush_at:
                self.site.flush()
                flush_at += 2.0
            time.sleep(0.05)
        counts = Counter(self.site.arrived())
        assert [ident for ident in self.accepted if counts[ident] != 1] == []
        assert [ident for ident in self.refused if counts[ident] > 1] == []


@ROOT_ONLY
@pytest.mark.covers("control/queueminfree")
@pytest.mark.parametrize("what", ["blocks", "blocks-file", "inodes"])
def test_no_room_then_room_again(make_site, make_disk, what):
    options = "size=64m" if what.startswith("blocks") else "size=200m,nr_inodes=220"
    disk = make_disk(options)
    site = make_site(disk.path)
    site.control("queueminfree", "2000000\n")
    sender = Sender(site.start(), letters.FILE if what == "blocks-file" else (60_000, 100_000))
    assert sender.until_refused(700) == "452"
    assert len(sender.accepted) >= 10
    fill(disk)
    for _ in range(5):
        sender.one()
    time.sleep(1.5)  # the queue looks once a second
    assert sender.one() == "452"
    disk.empty()
    assert disk.remount("size=260m,nr_inodes=20000") == 0
    sender.until_taken()
    sender.until_there()
    assert site.said().count("died") == 0


@ROOT_ONLY
def test_a_full_disk_at_start(make_site, make_disk):
    disk = make_disk("size=64m")
    site = make_site(disk.path)
    site.control("queueminfree", "2000000\n")
    sender = Sender(site.start())
    sender.one()
    sender.until_there()
    site.stop()
    fill(disk)
    site.start()
    assert sender.one().startswith("4")
    disk.empty()
    sender.until_taken()
    sender.until_there()


@ROOT_ONLY
def test_a_filesystem_that_becomes_read_only(make_site, make_disk):
    """The kernel refuses that while files are open for writing, unless there is an error."""
    disk = make_disk("size=120m")
    site = make_site(disk.path)
    sender = Sender(site)
    site.start()
    sender.one()
    sender.until_there()
    site.stop()
    assert disk.remount("ro") == 0
    with pytest.raises(small.SiteError) as refusal:
        site.start()
    assert "Traceback" not in str(refusal.value)
    assert "Read-only file system" in str(refusal.value)
    site.server = None
    assert disk.remount("rw") == 0
    site.start()
    sender.until_taken()
    sender.until_there()


# --- limits of a process -----------------------------------------------------------------------


def limited(pid, kind, limit):
    """Set a soft limit of a running process; return the one before."""
    before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (limit, before[1]))
    return before


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.parametrize("role", ["smtpd", "queue", "local", "worker"])
def test_no_descriptors_left(request, small_site, role):
    site = small_site.start()
    sender = Sender(site)
    sender.one()
    sender.until_there()
    other = smtplib.SMTP("127.0.0.1", site.port, "other.test", timeout=20)  # before the trouble
    request.addfinalizer(other.close)
    other.ehlo()
    pid = site.pid_of(role)
    before = limited(pid, resource.RLIMIT_NOFILE, descriptors(pid))
    sizes, sender.sizes = sender.sizes, letters.FILE
    site_timeout = 3 if role == "smtpd" else 20
    for _ in range(3):
        if role == "smtpd":
            with pytest.raises((OSError, smtplib.SMTPException)):
                smtplib.SMTP("127.0.0.1", site.port, "late.test", timeout=site_timeout)
        else:
            sender.one()
    sender.sizes = sizes
    other.mail("sender@src.test")
    other.rcpt(small.MAILBOX)
    code, _text = other.data(letters.wire("other", letters.SMALL))
    assert code == 250 or 400 <= code < 500
    sender.accepted += ["other"] if code == 250 else []
    with contextlib.suppress(ProcessLookupError):  # a worker that cannot go on ends
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    other.close()
    sender.until_taken()
    sender.until_there()
    assert "died" not in site.said()


@pytest.mark.parametrize("role", ["smtpd", "queue", "local", "worker"])
def test_no_memory_left(small_site, role):
    """4xx or a deferral; a process that cannot go on at all is started again."""
    site = small_site.start()
    sender = Sender(site)
    sender.one()
    sender.until_there()
    pid = site.pid_of(role)
    used = next(
        int(line.split()[1]) * 1_024
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmData:")
    )
    before = limited(pid, resource.RLIMIT_DATA, used + 300_000)
    for size in (letters.FILE, (2_000_000, 3_000_000), letters.SMALL):
        sender.sizes = size if size[1] < 900_000 else letters.FILE
        for _ in range(4):
            sender.one()
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_DATA, before)
    sender.sizes = letters.SMALL
    sender.until_taken()
    sender.until_there()


# --- clocks -------------------------------------------------------------------------------------


def faked(site, when):
    """Give a server a clock that a file decides; `when` as faketime(1) has it."""
    path = os.path.join(site.base, "clock")
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(when + "\n")
    os.rename(path + ".new", path)
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": path,
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime")
@pytest.mark.parametrize("jump", ["-1h", "+7d", "@2039-06-01 12:00:00"])
def test_the_clock_jumps(small_site, jump):
    """What was accepted before and after is delivered; nothing bounces because time went back."""
    site = small_site
    environment = faked(site, "+0")
    site.start(environment)
    sender = Sender(site)
    sender.one()
    sender.until_there()
    maildir = os.path.dirname(site.new)
    os.rename(maildir, maildir + ".away")
    with open(maildir, "w", encoding="ascii"):
        pass
    sender.one()
    small.until(lambda: all(r["recipients"][0]["text"] for r in site.rows()), "it is deferred")
    faked(site, jump)
    time.sleep(1.2)  # libfaketime looks once a second
    os.unlink(maildir)
    os.rename(maildir + ".away", maildir)
    assert sender.one() == "250"
    sender.until_there()
    assert site.stop() == 0
    faked(site, "+0")  # and back
    site.start(environment)
    assert sender.one() == "250"
    sender.until_there()
    with open(os.path.join(site.root, "log", "send", "current"), encoding="utf-8") as log:
        assert "bounce" not in log.read()
    assert "Traceback" not in site.said()


def test_strace_is_here():
    """The other tests of faults need it; as root its absence is a fault of the machine."""
    assert shutil.which("strace") or os.geteuid() != 0
