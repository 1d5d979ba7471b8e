"""The queue of a server that was stopped or killed: who may see it; looking does no harm."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.scenarios.program import NOBODY
from tests.scenarios.site import ONE_USER, TAMMY, USERS
from tests.scenarios.waiting import until


def leave_one_behind(site):
    """Accept mail for a server that refuses connections, until it is deferred."""
    site.control("rcpthosts", "mx.example.test\nexample.test\nfar.test\n")
    site.control("smtproutes", ":[127.0.0.1]:1\n")
    site.start()
    site.send(["someone@far.test", TAMMY])
    site.arrived(TAMMY)
    until(lambda: (site.queued() or [{}])[0].get("recipients"), "it waits")


@pytest.mark.covers("command/qmail-qread", "command/qmail-qstat")
@pytest.mark.parametrize("flavour", [ONE_USER, USERS])
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_it_is_listed_and_goes_on(make_site, flavour, how):
    site = make_site(flavour)
    leave_one_behind(site)
    if how == "stopped":
        site.stop()
    else:
        site.may_complain = True
        site.server.send_signal(signal.SIGKILL)
        site.server.wait()
        until(lambda: site.queued() is None, "the queue process is gone")
        site.server = None
    assert not os.path.exists(site.place.queue_socket) or site.queued() is None
    lines = site.glass("queue", "list").splitlines()
    assert lines[-1] == "no server runs here: nothing is being tried (glass serve)"
    assert any("to remote someone@far.test" in line for line in lines)
    listed = site.historical("qmail-qread").stdout.decode()
    assert "\tremote\tsomeone@far.test\n" in listed
    assert site.historical("qmail-qstat").stdout.decode().startswith("messages in queue: 1\n")
    if flavour == USERS:  # whoever may not read the file is told what he was told before
        assert "is it running?" in site.glass("queue", "list", code=3, uid=NOBODY)
    site.start()  # whatever looking left behind belongs to the queue's user
    site.send(TAMMY)
    assert len(site.arrived(TAMMY, 2)) == 2
    until(lambda: len(site.queued() or ()) == 1, "only the first message's far recipient waits")


READER = """
import sys, time
from glassmail.store.queue.reading import opened
with opened(sys.argv[1]) as queue:
    queue.count_messages()
    print("reading", flush=True)
    time.sleep(float(sys.argv[2]))
"""
READS_S = 7.0  # longer than one attempt to open the database waits


def test_a_server_that_starts_waits_for_whoever_reads(make_site):
    site = make_site(ONE_USER)
    leave_one_behind(site)
    site.stop()
    words = [*site.runner.prefix(), site.runner.python(), "-c", READER, site.place.queue_db,
             str(READS_S)]  # fmt: skip
    reader = site.runner.start(words, stdout=subprocess.PIPE)
    try:
        assert reader.stdout.readline() == b"reading\n"
        began = time.monotonic()
        site.may_complain = True
        site.start()
        assert time.monotonic() - began > 1
        assert "glass queue: waiting: " in site.complaints()
        assert "another process reads it" in site.complaints()
    finally:
        reader.kill()
        reader.wait()
        reader.stdout.close()
    assert len(site.queued()) == 1


def test_who_locks_what_all_may_read_keeps_no_server_from_starting(make_site):
    site = make_site(ONE_USER)
    site.start()
    site.stop()
    with open(site.place.supervisor_pid, "rb") as file:  # as any user may
        fcntl.flock(file, fcntl.LOCK_EX)
        site.start()
        site.send(TAMMY)
        assert len(site.arrived(TAMMY)) == 1
        assert "already runs here" in site.refuses_to_start()
    assert os.stat(site.place.supervisor_lock).st_mode & 0o777 == 0o600


def test_root_without_the_right_to_give_files_away_leaves_none_behind(make_site):
    site = make_site(USERS)
    leave_one_behind(site)
    site.stop()
    words = [*site.runner.prefix(), "setpriv", "--bounding-set=-chown", "--inh-caps=-chown",
             sys.executable, "-m", "glassmail.faces.cli", "queue", "list", "--root",
             str(site.root)]  # fmt: skip
    done = site.runner.run(words)
    assert b"to remote someone@far.test" in done.stdout, done
    owners = {path.stat().st_uid for path in site.root.glob("queue/queue.db*")}
    assert len(owners) == 1
    assert owners != {0}
    site.start()
    assert len(site.queued()) == 1
