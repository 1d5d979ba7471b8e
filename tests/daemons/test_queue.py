"""The queue process as its peers see it: promises, schedule, bounces, crashes, administrators."""

import errno
import json
import os
import shutil
import signal
import time

import pytest

from glassmail.core.model.envelope import Envelope
from glassmail.daemons.queue import dispatcher
from glassmail.daemons.queue.dispatcher import Dispatcher
from glassmail.daemons.queue.process import EXIT_STORE_BROKEN
from glassmail.events.queue import Accepted, Bounced, Discarded, Ended, Load, Settled, Started
from glassmail.net.messages import (
    Declined,
    Enqueued,
    Failed,
    OpenBody,
    Origin,
    Request,
    Result,
    Rows,
    Settle,
    TakeCodes,
)
from glassmail.store.drop import DropWriter
from tests.daemons.queue_site import QueueSite
from tests.scenarios.waiting import until


@pytest.fixture
def site(tmp_path):
    made = QueueSite(tmp_path, locals=b"here.test\n")
    yield made
    made.close()


def test_a_message_is_accepted_delivered_and_told(site):
    local, client = site.peer("local"), site.peer("client")
    answer = client.enqueue([b"joe@here.test"], body=b"Message-ID: <a@b>\nSubject: x\n\nbody\n")
    assert answer == Enqueued(1, 1)
    [(job, target)] = local.targets()
    assert job.head.startswith(b"Received: (qmail 1 invoked by uid %d); " % os.getuid())
    assert job.body.endswith(b"\n\nbody\n")
    assert (target.address, target.original, job.attempt) == (b"joe@here.test",) * 2 + (0,)
    local.settle(target, "K")
    kinds = [
        e for e in site.log.until(Ended) if isinstance(e, Accepted | Started | Settled | Ended)
    ]
    assert [type(e) for e in kinds] == [Accepted, Started, Settled, Ended]
    assert kinds[0].message_id == b"<a@b>"
    assert kinds[1].steps
    assert kinds[1].load[0] == 1
    assert kinds[2].load[0] == 0


def test_network_mail_says_so(site):
    local, smtpd = site.peer("local"), site.peer("smtpd")
    smtpd.enqueue([b"joe@here.test"], kind="network", head=b"Received: from x\n", code=9, part=1)
    [(job, _)] = local.targets()
    assert job.head.startswith(b"Received: (qmail 1 invoked from network); ")
    assert job.head.endswith(b"-0000\nReceived: from x\n")
    assert (job.code, job.part) == (9, 1)


@pytest.mark.covers("control/virtualdomains")
def test_the_prepend_of_virtualdomains_reaches_local(tmp_path):
    site = QueueSite(tmp_path, locals=b"here.test\n", virtualdomains=b"virt.test:fred\n")
    try:
        local, client = site.peer("local"), site.peer("client")
        client.enqueue([b"dude@virt.test"])
        [(_, target)] = local.targets()
        assert (target.address, target.original) == (b"fred-dude@virt.test", b"dude@virt.test")
    finally:
        site.close()


def test_a_failure_bounces_a_failed_bounce_doubles_and_then_it_ends(site):
    local, client = site.peer("local"), site.peer("client")
    client.enqueue([b"no@here.test"], sender=b"s@here.test", body=b"Subject: first\n\nbody\n")
    [(_, target)] = local.targets()
    local.settle(target, "D", b"Sorry, no mailbox here by that name. (#5.1.1)\n")
    [(bounce, target)] = local.targets()
    assert bounce.sender == b""
    assert target.original == b"s@here.test"
    text = bounce.head + bounce.body
    assert b"Hi. This is the qmail-send program at mx.example.test.\n" in text
    assert b"<no@here.test>:\nSorry, no mailbox here by that name. (#5.1.1)\n" in text
    assert text.endswith(b"Subject: first\n\nbody\n")
    assert bounce.size == len(text)
    local.settle(target, "D", b"no again\n")
    # The double bounce goes to postmaster@me, which is not local here: to remote.
    remote = site.peer("remote")
    [(double, target)] = remote.targets()
    assert double.sender == b"#@[]"
    assert target.original == b"postmaster@mx.example.test"
    assert b"but the bounce bounced!" in double.head
    remote.settle(target, "D", b"no at all\n")
    seen = site.log.until(Discarded)
    assert sum(isinstance(e, Bounced) for e in seen) == 2
    assert [e.kind for e in seen if isinstance(e, Discarded)] == ["triple"]


def test_a_deferral_waits_as_qmail_waits(site):
    local, client = site.peer("local"), site.peer("client")
    client.enqueue([b"joe@here.test"])
    [(_, target)] = local.targets()
    local.settle(target, "Z", b"soft\n")
    seen = site.log.until(Settled)
    accepted = next(e for e in seen if isinstance(e, Accepted))
    settled = next(e for e in seen if isinstance(e, Settled))
    assert settled.retry_at - accepted.at // 10**9 in (100, 121)  # (isqrt(age) + 10)^2
    site.kill(signal.SIGALRM)
    [(job, target)] = local.targets()
    assert job.attempt == 1
    local.settle(target, "K")
    site.log.until(Ended)


@pytest.mark.covers("control/queuelifetime")
def test_a_message_too_old_dies_with_qmails_words(tmp_path):
    site = QueueSite(tmp_path, locals=b"here.test\n", queuelifetime=b"0\n")
    try:
        local, client = site.peer("local"), site.peer("client")
        client.enqueue([b"joe@here.test"], sender=b"s@here.test")
        [(job, target)] = local.targets()
        assert not job.dying
        local.settle(target, "Z", b"soft\n")
        site.log.until(Settled)
        time.sleep(1.1)  # queuelifetime counts whole seconds
        site.kill(signal.SIGALRM)
        [(job, target)] = local.targets()
        assert job.dying
        local.settle(target, "Z", b"soft error text\n")
        [(bounce, _)] = local.targets()
        assert (
            b"soft error text\nI'm not going to try again; this message has been in the queue "
            b"too long.\n" in bounce.head
        )
    finally:
        site.close()


def test_what_was_accepted_survives_a_kill(site):
    client = site.peer("client")
    for _ in range(3):
        assert isinstance(client.enqueue([b"joe@here.test"]), Enqueued)
    site.end(signal.SIGKILL)
    site.start()
    local = site.peer("local")
    found = []
    while len(found) < 3:
        found += local.targets()
    assert sorted(job.message for job, _ in found) == [1, 2, 3]
    assert all(job.attempt == 1 for job, _ in found)


def test_a_delivery_process_that_dies_gets_its_work_again(site):
    local, client = site.peer("local"), site.peer("client")
    client.enqueue([b"joe@here.test"])
    local.targets()
    local.close()
    local = site.peer("local")
    [(job, target)] = local.targets()
    assert job.attempt == 1
    local.settle(target, "K")
    site.log.until(Ended)


def test_a_job_that_kills_its_process_is_deferred_in_the_end(site):
    client = site.peer("client")
    client.enqueue([b"joe@here.test"])
    for _ in range(4):
        local = site.peer("local")
        local.targets()
        local.close()
    settled = next(e for e in site.log.until(Settled) if isinstance(e, Settled))
    assert settled.outcome == "Z"
    assert settled.retry_at


def test_results_count_only_from_who_was_given_the_delivery(site):
    local, client = site.peer("local"), site.peer("client")
    client.enqueue([b"joe@here.test"])
    [(_, target)] = local.targets()
    client.send(Settle((Result(target.delivery, "K", b"", ()),)))
    assert client.is_closed()
    local.settle(target, "K")
    site.log.until(Ended)


def test_a_large_body_travels_by_descriptor(site):
    local, client = site.peer("local"), site.peer("client")
    body = b"Subject: big\n\n" + b"x" * 300_000
    client.send(OpenBody(5))
    opened, [descriptor] = client.receive_all()
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    answer = client.enqueue([b"joe@here.test"], body=None, file=opened.file, size=len(body))
    assert isinstance(answer, Enqueued)
    deliver, [descriptor] = local.receive_all()
    assert os.pread(descriptor, 400_000, 0) == body
    os.close(descriptor)
    local.settle(deliver.jobs[0].targets[0], "K")
    site.log.until(Ended)
    client.ask("stats")  # the file goes right after the commit that the log was told of
    assert os.listdir(site.place.queue_bodies) == []


def test_a_body_of_another_size_or_of_nobody_is_declined(site):
    client = site.peer("client")
    client.send(OpenBody(5))
    opened, [descriptor] = client.receive_all()
    os.close(descriptor)
    assert client.enqueue([b"a@b"], body=None, file=opened.file, size=9).exit_code == 54
    assert client.enqueue([b"a@b"], body=None, file=4711, size=9).exit_code == 54
    assert client.enqueue([b"a@b"], body=b"xx", size=9).exit_code == 54
    assert client.enqueue([b"x" * 1_003]).exit_code == 11
    assert os.listdir(site.place.queue_bodies) == []


def test_a_forward_refers_to_the_body_and_happens_once(site):
    local, client = site.peer("local"), site.peer("client")
    client.enqueue([b"joe@here.test"], body=b"Subject: x\n\nbody\n")
    [(job, target)] = local.targets()
    worker = site.peer("client")
    origin = Origin(job.message, target.number, target.key)
    head = b"Delivered-To: joe@here.test\n"
    more = {"body": None, "size": 0, "head": head, "origin": origin}
    first = worker.enqueue([b"ann@here.test"], **more)
    again = worker.enqueue([b"ann@here.test"], **more)
    assert first.message == again.message
    local.settle(target, "K")
    [(forward, target)] = local.targets()
    assert target.original == b"ann@here.test"
    assert forward.head.split(b"\n")[1] == head[:-1]
    assert forward.head.endswith(job.head)
    assert forward.body == b"Subject: x\n\nbody\n"
    wrong = Origin(job.message, target.number, b"0" * 16)
    assert isinstance(worker.enqueue([b"x@here.test"], **{**more, "origin": wrong}), Declined)


def test_a_message_left_in_the_drop_directory_is_taken_once(site):
    site.end()
    writer = DropWriter(site.place.queue_drop)
    writer.write(b"Subject: dropped\n\nx\n")
    writer.commit(Envelope(b"s@t", (b"joe@here.test",)))
    with open(os.path.join(site.place.queue_drop, "foreign"), "wb") as file:
        file.write(b"not ours")
    site.start()
    local = site.peer("local")
    [(job, _)] = local.targets()
    assert job.body == b"Subject: dropped\n\nx\n"
    until(lambda: os.listdir(site.place.queue_drop) == [], "all of it is taken or moved")
    assert os.listdir(site.place.queue_aside) == ["foreign"]


def test_trace_codes_come_in_blocks_to_smtpd_only(site):
    smtpd = site.peer("smtpd")
    smtpd.send(TakeCodes())
    first = smtpd.receive()
    smtpd.send(TakeCodes())
    second = smtpd.receive()
    assert second.first >= first.first + first.count
    client = site.peer("client")
    client.send(TakeCodes())
    assert client.is_closed()


def settings_of(client):
    return json.loads(client.ask("stats").rows[0])["settings"]


def test_reload_routes_anew_and_a_broken_table_keeps_the_old(site):
    local, client = site.peer("local"), site.peer("client")
    before = settings_of(client)
    site.control("locals", b"here.test\nnew.test\n")
    site.kill(signal.SIGHUP)
    while settings_of(client) == before:
        pass
    client.enqueue([b"joe@new.test"])
    assert local.targets()
    site.control("locals", b"bro\0ken\n")
    site.kill(signal.SIGHUP)
    client.ask("stats")
    client.enqueue([b"joe@new.test"])
    assert local.targets()


def test_term_finishes_what_runs_and_starts_nothing_new(site):
    local, client = site.peer("local"), site.peer("client")
    client.enqueue([b"joe@here.test"])
    [(_, target)] = local.targets()
    site.kill(signal.SIGTERM)
    while not json.loads(client.ask("stats").rows[0])["stopping"]:
        pass
    assert isinstance(client.enqueue([b"ann@here.test"]), Enqueued)
    local.settle(target, "K")
    _pid, status = os.waitpid(site.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    site.pid = 0
    site.start()
    local = site.peer("local")
    [(_, target)] = local.targets()
    assert target.original == b"ann@here.test"


def test_administrators_list_hold_release_bounce_and_drop(site):
    client = site.peer("client")
    client.enqueue([b"joe@here.test"], sender=b"s@here.test")
    [row] = [json.loads(r) for r in client.ask("list").rows]
    assert (row["message"], row["held"], row["recipients"][0]["state"]) == (1, False, "waiting")
    client.ask("hold", message=1)
    assert json.loads(client.ask("show", message=1).rows[0])["held"]
    local = site.peer("local")
    client.ask("release", message=1)
    [(_, target)] = local.targets()
    assert isinstance(client.ask("drop", message=1), Failed)  # it is being delivered
    local.settle(target, "Z", b"later\n")
    site.log.until(Settled)
    assert isinstance(client.ask("bounce", message=1), Rows)
    [(bounce, target)] = local.targets()
    assert target.original == b"s@here.test"
    assert b"postmaster returned this message" in bounce.head
    local.settle(target, "Z", b"later\n")
    site.log.until(Settled)
    assert isinstance(client.ask("drop", message=bounce.message), Rows)
    site.log.until(Ended)
    assert client.ask("list").rows == ()
    assert isinstance(client.ask("show", message=99), Failed)
    assert isinstance(client.ask("dance"), Failed)


@pytest.mark.parametrize("is_two_channels", [False, True])
def test_a_held_message_that_is_returned_by_hand_bounces_once(site, is_two_channels):
    client = site.peer("client")
    others = [b"ann@elsewhere.test"] * is_two_channels
    client.enqueue([b"joe@here.test", *others], sender=b"s@here.test")
    client.ask("hold", message=1)
    site.peer("local")
    site.peer("remote")
    site.log.until(Accepted)
    assert isinstance(client.ask("bounce", message=1), Rows)
    site.log.until(Ended)
    rows = [json.loads(row) for row in client.ask("list").rows]
    assert [row["kind"] for row in rows] == ["bounce"]


def test_a_message_returned_twice_at_once_bounces_once(site):
    client = site.peer("client")
    client.enqueue([b"joe@here.test"], sender=b"s@here.test")
    for _ in range(5):
        client.send(Request(7, "bounce", {"message": 1}))
    for _ in range(5):
        client.receive()
    site.log.until(Ended)
    rows = [json.loads(row) for row in client.ask("list").rows]
    assert [row["kind"] for row in rows] == ["bounce"]


def test_hold_stops_a_pass_that_is_under_way(tmp_path):
    site = QueueSite(tmp_path, locals=b"here.test\n", concurrencylocal=b"2\n")
    try:
        client, local = site.peer("client"), site.peer("local")
        client.enqueue([b"%d@here.test" % number for number in range(5)])
        [(_job, first), (_job, second)] = local.targets()
        client.ask("hold", message=1)
        local.settle(first, "K")
        local.settle(second, "K")
        facts = site.log.until(Settled)
        while sum(isinstance(fact, Settled) for fact in facts) < 2:
            facts += site.log.facts()
        assert sum(isinstance(fact, Started) for fact in facts) == 2
        [row] = [json.loads(r) for r in client.ask("list").rows]
        states = [recipient["state"] for recipient in row["recipients"]]
        assert states == ["done"] * 2 + ["waiting"] * 3
        client.ask("retry", message=1)
        assert len(local.targets()) == 2
    finally:
        site.close()


def test_long_reports_of_many_recipients_make_a_bounce_that_can_be_delivered(tmp_path):
    site = QueueSite(tmp_path, locals=b"here.test\n", concurrencyremote=b"500\n")
    try:
        client, remote, local = site.peer("client"), site.peer("remote"), site.peer("local")
        left = 600
        addresses = [b"joe@d%d.test" % number for number in range(left)]
        client.enqueue(addresses, sender=b"s@here.test")
        while left:
            targets = remote.targets()
            left -= len(targets)
            for _job, target in targets:
                remote.settle(target, "D", b"x" * 9_000 + b"\n")
        [(bounce, target)] = local.targets()
        assert target.original == b"s@here.test"
        assert all(b"\n<" + address + b">:\n" in bounce.head for address in addresses)
        assert bounce.head.count(b"x" * 9_000) == 524_288 // 9_001
        assert len(bounce.head) < 600_000
    finally:
        site.close()


def test_a_head_that_no_frame_can_hold_keeps_no_other_mail_back(site):
    local, client = site.peer("local"), site.peer("client")
    client.enqueue([b"joe@here.test"], head=b"X: " + b"x" * 4_000_000 + b"\n", body=b"x" * 131_072)
    client.enqueue([b"ann@here.test"])
    [(_job, target)] = local.targets()
    assert target.original == b"ann@here.test"
    settled = [fact for fact in site.log.until(Settled) if isinstance(fact, Settled)]
    assert (settled[0].message, settled[0].outcome) == (1, "Z")
    assert b"too long to hand on" in settled[0].text


def test_facts_of_vast_messages_reach_the_log(site):
    client = site.peer("client")
    recipients = [b"%026d@here.test" % number for number in range(50_000)]
    for _ in range(4):  # the log does not answer meanwhile
        assert isinstance(client.enqueue(recipients), Enqueued)
    assert isinstance(client.enqueue([b"%037d@here.test" % n for n in range(50_000)]), Declined)
    site.end(signal.SIGKILL)
    site.start()  # they go to the log together now
    facts = site.log.until(Accepted)
    while sum(isinstance(fact, Accepted) for fact in facts) < 4:
        facts += site.log.facts()


def test_messages_of_many_recipients_are_listed_page_by_page(site):
    client = site.peer("client")
    for _ in range(8):
        client.enqueue([b"%026d@here.test" % number for number in range(3_000)])
    client.enqueue([b"\xff%030d@here.test" % number for number in range(45_000)])
    found = []
    after = 0
    while after is not None:
        answer = client.ask("list", after=after)
        rows = [json.loads(row) for row in answer.rows]
        after = rows.pop()["after"] if answer.more else None
        found += rows
    assert [row["message"] for row in found] == list(range(1, 10))
    assert [len(row["recipients"]) for row in found[:8]] == [3_000] * 8
    assert len(found[8]["recipients"]) + found[8]["recipients_left_out"] == 45_000
    [row] = client.ask("show", message=9).rows
    assert json.loads(row)["recipients_left_out"] > 0


def test_a_submitter_cannot_take_all_descriptors(site):
    client, smtpd = site.peer("client"), site.peer("smtpd")
    for peer, most in ((client, 4), (smtpd, 256)):
        for _ in range(most):
            peer.send(OpenBody(5))
            _opened, [descriptor] = peer.receive_all()
            os.close(descriptor)
        peer.send(OpenBody(5))
        assert peer.receive().exit_code == 53


def test_without_a_descriptor_for_the_body_a_delivery_is_deferred(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.EMFILE, "Too many open files")

    dup = os.dup
    switch = tmp_path / "switch"
    monkeypatch.setattr(os, "dup", lambda number: full(number) if switch.exists() else dup(number))
    site = QueueSite(tmp_path / "site", locals=b"here.test\n")
    try:
        client = site.peer("client")
        client.send(OpenBody(5))
        opened, [descriptor] = client.receive_all()
        os.write(descriptor, b"x" * 200_000)
        os.close(descriptor)
        client.enqueue([b"joe@here.test"], body=None, file=opened.file, size=200_000)
        switch.touch()
        local = site.peer("local")
        [settled] = [f for f in site.log.until(Settled) if isinstance(f, Settled)]
        assert (settled.outcome, b"Too many open files" in settled.text) == ("Z", True)
        switch.unlink()
        client.ask("retry", message=1)
        deliver, [descriptor] = local.receive_all()
        os.close(descriptor)
        assert deliver.jobs[0].message == 1
    finally:
        site.close()


@pytest.mark.interpreted
def test_a_fault_in_a_round_ends_the_process_and_the_next_one_goes_on(tmp_path, monkeypatch):
    send = Dispatcher._send
    switch = tmp_path / "switch"

    def faulty(self, *starts):
        if switch.exists():
            raise ValueError("a fault after starts were taken")
        return send(self, *starts)

    monkeypatch.setattr(Dispatcher, "_send", faulty)
    site = QueueSite(tmp_path / "site", locals=b"here.test\n")
    try:
        client, _local = site.peer("client"), site.peer("local")
        switch.touch()
        assert isinstance(client.enqueue([b"joe@here.test"]), Enqueued)
        _pid, status = os.waitpid(site.pid, 0)
        assert os.waitstatus_to_exitcode(status) == EXIT_STORE_BROKEN
        switch.unlink()
        site.start()
        ((job, _target),) = site.peer("local").targets()
        assert job.message == 1
    finally:
        site.close()


def leave_body(site, name="b0123456789ab-1"):
    with open(os.path.join(site.place.queue_bodies, name), "wb") as file:
        file.write(b"x")
    return name


def test_a_half_made_body_goes_once_the_log_knows_no_more_than_the_store(site):
    site.log.until(Load)
    site.end(signal.SIGKILL)
    leave_body(site)
    site.start()
    site.log.confirm_until(lambda: not os.listdir(site.place.queue_bodies))
    assert os.listdir(site.place.queue_aside) == []


@pytest.mark.parametrize("how", ["moved away", "put back from a copy"])
def test_bodies_of_another_database_are_kept(site, how):
    client, other = site.peer("client"), site.peer("client")
    client.enqueue([b"joe@here.test"])
    site.log.until(Accepted)
    site.end()
    copy = site.place.queue_db + ".copy"
    shutil.copy(site.place.queue_db, copy)
    site.start()
    other = site.peer("client")
    for _ in range(5):
        other.enqueue([b"joe@here.test"])
    facts = site.log.until(Accepted)
    while sum(isinstance(fact, Accepted) for fact in facts) < 5:
        facts += site.log.facts()
    site.end()
    name = leave_body(site)
    os.unlink(site.place.queue_db)
    if how == "put back from a copy":
        os.rename(copy, site.place.queue_db)
        site.log.confirms = 1_000  # what it holds of this store
    site.start()
    site.log.confirm_until(lambda: os.listdir(site.place.queue_aside) == [name])


def test_a_log_of_writes_without_its_database_is_kept(site):
    site.peer("client").enqueue([b"joe@here.test"])
    site.end(signal.SIGKILL)
    with open(site.place.queue_db + "-wal", "rb") as file:
        data = file.read()
    assert data
    os.unlink(site.place.queue_db)
    site.start()
    assert site.peer("client").ask("list").rows == ()
    [name] = os.listdir(site.place.queue_aside)
    with open(os.path.join(site.place.queue_aside, name), "rb") as file:
        assert file.read() == data


def test_a_body_opened_before_the_disk_was_full_is_removed(site):
    client = site.peer("client")
    client.send(OpenBody(5))
    opened, [descriptor] = client.receive_all()
    os.write(descriptor, b"x" * 200_000)
    os.close(descriptor)
    site.control("queueminfree", b"999999999999999999\n")
    site.kill(signal.SIGHUP)
    deadline = time.monotonic() + 8
    while isinstance(client.enqueue([b"joe@here.test"]), Enqueued):
        assert time.monotonic() < deadline
    answer = client.enqueue([b"joe@here.test"], body=None, file=opened.file, size=200_000)
    assert answer.exit_code == 53
    assert os.listdir(site.place.queue_bodies) == []


def test_foreign_bytes_close_the_connection_and_nothing_else(site):
    client, foreign = site.peer("client"), site.peer("client")
    foreign.channel.send(b"\x93\x01\x02\x03")
    assert foreign.is_closed()
    assert isinstance(client.enqueue([b"joe@here.test"]), Enqueued)


def test_verp_senders_name_each_recipient(site):
    local, client = site.peer("local"), site.peer("client")
    client.enqueue([b"a@here.test", b"b@here.test"], sender=b"list-@lists.test-@[]")
    jobs = {}
    while len(jobs) < 2:
        for job, target in local.targets():
            jobs[target.original] = job.sender
    assert jobs == {
        b"a@here.test": b"list-a=here.test@lists.test",
        b"b@here.test": b"list-b=here.test@lists.test",
    }


def test_zero_recipients_end_at_once(site):
    client = site.peer("client")
    assert isinstance(client.enqueue([]), Enqueued)
    kinds = [type(e) for e in site.log.until(Ended)]
    assert Started not in kinds


def test_local_deliveries_gather_while_others_are_under_way(tmp_path, monkeypatch):
    monkeypatch.setattr(dispatcher, "GATHER_STARTS_S", 2.0)  # the queue is a fork of this process
    site = QueueSite(tmp_path, locals=b"here.test\n")
    try:
        local, clients = site.peer("local"), [site.peer("client") for _ in range(3)]
        clients[0].enqueue([b"joe@here.test"])
        assert len(local.targets()) == 1  # the first one waits for nobody
        began = time.monotonic()
        for client in clients[1:]:
            client.enqueue([b"ann@here.test"])  # two commits
        together = local.targets()
        assert [job.message for job, _target in together] == [2, 3]
        assert time.monotonic() - began > 1.0
        for _job, target in together:
            local.settle(target, "K")
        assert site.log.until(Ended)
    finally:
        site.close()
