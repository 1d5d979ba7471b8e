"""The commands with a queue process of their own, not a played one."""

import os
from pathlib import Path

import pytest

from glassmail.net.messages import Enqueued
from tests.daemons.queue_site import QueueSite
from tests.faces.compat.command import run, run_queue


@pytest.fixture
def site(tmp_path):
    made = QueueSite(tmp_path / "site", locals=b"here.test\n", defaulthost=b"here.test\n")
    yield made
    made.close()


def body_of(job, descriptors):
    if job.body is not None:
        return job.body
    data = os.pread(descriptors[0], job.size, 0)
    os.close(descriptors[0])
    return data


@pytest.mark.parametrize("size", [0, 100, 131_072, 131_073, 1_000_000])
def test_what_is_handed_in_is_delivered(site, size):
    local = site.peer("local")
    message = b"Subject: x\n\n" + b"0123456789abcde\n" * (size // 16)
    root = Path(site.place.root)
    assert run_queue(root, message, b"Fs@src.test\0Tjoe@here.test\0\0") == 0
    deliver, descriptors = local.receive_all()
    (job,) = deliver.jobs
    assert job.sender == b"s@src.test"
    assert job.head.startswith(b"Received: (qmail 1 invoked by uid %d); " % os.getuid())
    assert body_of(job, descriptors).endswith(message)


def test_inject_qread_and_qstat(site):
    root = Path(site.place.root)
    assert run("sendmail", root, "-t", message=b"To: joe@far.test\n\nx\n").returncode == 0
    assert run("qmail_inject", root, "joe", message=b"\nx\n").returncode == 0
    lines = run("qmail_qread", root).stdout.split(b"\n")
    assert lines[0].endswith(b"  <bob@here.test> ")
    assert lines[1] == b"\tremote\tjoe@far.test"
    assert lines[3] == b"\tlocal\tjoe@here.test"
    assert run("qmail_qstat", root).stdout == (
        b"messages in queue: 2\nmessages in queue but not yet preprocessed: 0\n"
    )


def test_what_is_left_while_the_queue_is_away_is_taken_in_at_its_start(site):
    root = Path(site.place.root)
    site.end()
    assert run("qmail_inject", root, "joe", message=b"\nleft\n").returncode == 0
    assert len(os.listdir(site.place.queue_drop)) == 1
    site.start()
    local = site.peer("local")
    ((job, _target),) = local.targets()
    assert job.body.endswith(b"\n\nleft\n")
    assert isinstance(site.peer("client").enqueue([b"joe@here.test"]), Enqueued)
    assert os.listdir(site.place.queue_drop) == []
