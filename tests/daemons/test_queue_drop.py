"""queue/drop while the queue runs: hostile files, a full disk, more than fits into memory."""

import errno
import json
import os
import signal
import time

import pytest

from glassmail.core.formats.drop import HEAD_BYTES
from glassmail.core.model.envelope import Envelope
from glassmail.daemons.queue import drop
from glassmail.net.messages import Enqueued
from glassmail.store.drop import DropWriter
from tests.daemons.queue_site import QueueSite
from tests.scenarios.waiting import until

LARGE = b"Subject: large\n\n" + b"x" * 300_000
ENVELOPE = Envelope(b"s@t", (b"joe@here.test",))


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setattr(drop, "DROP_SCAN_S", 0.05)
    made = []

    def make(**control):
        made.append(QueueSite(tmp_path, locals=b"here.test\n", **control))
        return made[0]

    yield make
    for site in made:
        site.close()


def leave(site, body):
    """Leave a message there; return its path."""
    writer = DropWriter(site.place.queue_drop)
    writer.write(body)
    return os.path.join(site.place.queue_drop, writer.commit(ENVELOPE))


def is_alive(site):
    return isinstance(site.peer("client").enqueue([b"ann@here.test"]), Enqueued)


def bodies(site):
    return os.listdir(site.place.queue_bodies)


def test_a_message_that_waits_for_room_is_copied_once_at_most(make):
    site = make(queueminfree=b"999999999999999999\n")
    client = site.peer("client")
    until(lambda: client.enqueue([b"a@here.test"]).exit_code == 53, "the disk counts as full")
    leave(site, LARGE)
    most = 0
    end = time.monotonic() + 0.6  # a dozen looks into the directory
    while time.monotonic() < end:
        most = max(most, len(bodies(site)))
        time.sleep(0.02)
    assert most <= 1
    site.control("queueminfree", b"0\n")
    site.kill(signal.SIGHUP)
    [(job, _target)] = site.peer("local").targets()
    assert job.size > len(LARGE)
    assert len(bodies(site)) == 1


def test_a_copy_that_fails_leaves_no_part(make, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "sendfile", full)
    site = make()
    path = leave(site, LARGE)
    time.sleep(0.4)
    assert is_alive(site)
    assert bodies(site) == []
    assert os.path.exists(path)


def test_what_cannot_be_moved_aside_stops_nobody(make):
    site = make()
    site.end()
    for place in (site.place.queue_drop, site.place.queue_aside):
        os.makedirs(os.path.join(place, "0-full", "inside"))
    with open(os.path.join(site.place.queue_aside, "0-kept"), "wb") as file:
        file.write(b"the damaged database, say")
    os.mkdir(os.path.join(site.place.queue_drop, "0-kept"))
    leave(site, b"Subject: x\n\n")
    site.start()
    assert len(site.peer("local").targets()) == 1
    leave(site, b"Subject: y\n\n")
    until(lambda: len(site.peer("client").ask("list").rows) == 2, "the next one is taken in")
    with open(os.path.join(site.place.queue_aside, "0-kept"), "rb") as file:
        assert file.read() == b"the damaged database, say"


def test_nothing_in_aside_is_replaced(make):
    site = make()
    kept = os.path.join(site.place.queue_aside, "queue.db.1763700000.1")
    with open(kept, "wb") as file:
        file.write(b"the damaged database")
    with open(os.path.join(site.place.queue_drop, "queue.db.1763700000.1"), "wb") as file:
        file.write(b"no message")
    until(lambda: os.listdir(site.place.queue_drop) == [], "the foreign file is moved")
    with open(kept, "rb") as file:
        assert file.read() == b"the damaged database"
    assert len(os.listdir(site.place.queue_aside)) == 2


def test_a_submitter_who_removes_his_file_again_takes_no_answer_from_others(make, monkeypatch):
    unlink = os.unlink

    def removed_before(path, **more):
        unlink(path, **more)
        if "/queue/drop/" in os.fsdecode(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(os, "unlink", removed_before)
    site = make()
    for _ in range(20):
        leave(site, b"Subject: x\n\n")
        assert is_alive(site)
    until(lambda: os.listdir(site.place.queue_drop) == [], "all are taken in")


def test_a_lack_of_descriptors_sets_no_mail_aside(make, monkeypatch):
    tries = []

    def open_drop(path):
        tries.append(path)
        if len(tries) < 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return opens(path)

    opens = drop.open_drop
    monkeypatch.setattr(drop, "open_drop", open_drop)
    site = make()
    leave(site, b"Subject: x\n\n")
    assert len(site.peer("local").targets()) == 1
    assert os.listdir(site.place.queue_aside) == []


def test_a_file_that_shrinks_while_it_is_copied_is_set_aside(make, monkeypatch):
    def shrink(target, source, at, count):
        os.truncate(f"/proc/self/fd/{source}", 200_000)
        return sendfile(target, source, at, count)

    sendfile = os.sendfile
    monkeypatch.setattr(os, "sendfile", shrink)
    site = make()
    os.chmod(leave(site, LARGE), 0o666)
    until(lambda: len(os.listdir(site.place.queue_aside)) == 1, "it is set aside")
    assert is_alive(site)
    assert bodies(site) == []


def test_a_vast_file_does_not_keep_the_queue_from_others(make):
    site = make()
    path = leave(site, LARGE)
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    os.unlink(path)
    size = 2**40
    words = head.split(b" ")
    words[2] = b"%020d" % size
    vast = os.path.join(site.place.queue_drop, "vast")
    with open(vast + ".new", "wb") as file:
        file.write(b" ".join(words))
        file.truncate(len(head) + size + int(words[3]))
    os.rename(vast + ".new", vast)
    time.sleep(0.3)
    began = time.monotonic()
    assert is_alive(site)
    assert time.monotonic() - began < 2
    leave(site, b"Subject: x\n\n")
    until(lambda: len(site.peer("client").ask("list").rows) >= 2, "others' mail is taken in")


def test_thousands_of_messages_do_not_stand_in_memory_together(make):
    site = make()
    site.end()
    for _ in range(1_500):
        leave(site, b"Subject: x\n\n" + b"x" * 130_000)
    site.start()
    before = peak_kb(site.pid)  # of the process that forked it, too
    client = site.peer("client")
    until(lambda: stats(client)["messages"] == 1_500, "all are taken in", 60)
    assert peak_kb(site.pid) < before + 150_000


def peak_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1])


def stats(client):
    return json.loads(client.ask("stats").rows[0])
