"""`glass status`, `glass queue top` and `queue list --by` on a running server."""

import json
import os
import signal
import socket
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.scenarios.program import NOBODY, Runner
from tests.scenarios.site import BOB, ONE_USER, TAMMY, Site, free_ports
from tests.scenarios.waiting import until

GREY = "451 4.7.1 greylisted, come back later"


@pytest.fixture(scope="module")
def busy():
    """A site with open sessions, a refusal, mail that waits, and a delivery that hangs."""
    made = Site(ONE_USER)
    hanging = socket.create_server(("127.0.0.1", 0))  # it takes connections and says nothing
    made.control("smtproutes", f"far.test:127.0.0.1:1\nslow.test:127.0.0.1:"
                               f"{hanging.getsockname()[1]}\n")  # fmt: skip
    made.control("timeoutremote", "20\n")
    (made.metrics_port,) = free_ports(1)
    made.control("metrics", f"127.0.0.1:{made.metrics_port}\n")
    open_sessions = []
    try:
        made.start()
        for name in ("a@far.test", "b@far.test", "c@slow.test"):
            made.historical("qmail-inject", "-f", TAMMY, name, input=b"Subject: y\n\n")
        made.send(TAMMY, sender=BOB)
        with made.client() as client:
            client.ehlo()
            client.mail("spam@src.test")
            client.rcpt("nosuch@example.test")
        open_sessions += [made.client() for _ in range(3)]

        def is_settled():
            rows = made.queued()
            texts = [r["text"] for row in rows for r in row["recipients"]]
            return sum("able to establish" in text for text in texts) == 2

        until(is_settled, "two deferrals")
        until(lambda: _live(made)["busy"].get("sessions") == 3, "three sessions are told")
        until(lambda: _live(made)["rates"]["60s"]["sessions"] >= 2, "the ended ones too")
        yield made
    finally:
        for client in open_sessions:
            client.close()
        hanging.close()
        made.close()


def _live(site):
    from glassmail.admin.requests import ask

    return next(ask(site.place.log_socket, "live", refusals=5))


def widths(text):
    return max(map(len, text.splitlines()))


@pytest.mark.covers("glass/status")
def test_status_tells_everything_in_80_columns(busy):
    text = busy.glass("status")
    assert widths(text) <= 80
    lines = text.splitlines()
    assert "status: local 0/255 remote 1/20" in lines
    assert "  1 of 20 remote deliveries are running (control/concurrencyremote)" in lines
    (hanging,) = [line for line in lines if line.startswith("  remote slow.test")]
    assert f"c@slow.test from <{TAMMY}>" in hanging
    assert "sessions: 3 of 5,000 open" in lines
    shown = [line for line in lines if line.startswith("  smtp       127.0.0.1")]
    assert len(shown) == 3
    assert "   0 taken    0 refused " in shown[0]
    assert any(line.split()[:2] == ["messages", "accepted"] and line.split()[2] == "4"
               for line in lines)  # fmt: skip
    assert any(line.startswith("queue: 3 messages, 0 unprocessed") for line in lines)
    (far,) = [line for line in lines if line.startswith("far.test")]
    assert far.split()[1:3] == ["2", "2"]
    (refusal,) = [line for line in lines if "nosuch@example.test" in line]
    assert " 127.0.0.1 rcpt nosuch@example.test: 5" in refusal
    assert "[" not in refusal  # the trace code stands in front, where no width cuts it
    code = refusal.split()[1].partition("/")[0]
    assert "nosuch@example.test" in busy.glass("why", code)


def test_status_for_programs(busy):
    rows = busy.json("status")
    assert {row["role"] for row in rows if "role" in row} >= {"queue", "log", "smtpd"}
    (queue,) = [row for row in rows if "status" in row]
    assert queue["status"] == "status: local 0/255 remote 1/20"
    assert len(queue["words"]) == 2
    assert queue["advice"] == []
    (live,) = [row["live"] for row in rows if "live" in row]
    assert live["busy"] == {"sessions": 3, "sessions_most": 5000}
    assert live["refusals"][0]["recipient"] == "nosuch@example.test"
    assert len(live["sessions"]) == 3
    assert {row["client"] for row in live["sessions"]} == {"127.0.0.1"}
    (under_way,) = [row["deliveries"] for row in rows if "deliveries" in row]
    assert [(d["host"], d["sender"], d["recipient"]) for d in under_way] == [
        ("slow.test", TAMMY, "c@slow.test")
    ]
    (table,) = [row["destinations"] for row in rows if "destinations" in row]
    assert {part["name"]: part["recipients"] for part in table} == {"far.test": 2, "slow.test": 1}


def test_ps_shows_what_qmail_remote_would_show(busy):
    (pid,) = [row["pid"] for row in busy.children() if row["role"] == "remote"]
    until(lambda: b"slow.test" in title(pid), "the title of the remote process")
    assert title(pid) == f"qmail-rspawn qmail-remote slow.test {TAMMY} c@slow.test".encode()
    with open(f"/proc/{pid}/comm", "rb") as file:
        assert file.read() == b"qmail-rspawn\n"
    (smtpd,) = [row["pid"] for row in busy.children() if row["role"] == "smtpd"]
    assert title(smtpd) == b"qmail-smtpd 3 sessions"
    with open(f"/proc/{smtpd}/comm", "rb") as file:
        assert file.read() == b"qmail-smtpd\n"


def title(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().rstrip(b"\0")


def test_queue_top_for_programs(busy):
    (row,) = busy.json("queue", "top")
    assert row["queue"]["messages"] == 3
    assert [part["name"] for part in row["destinations"]] == ["far.test", "slow.test"]
    assert row["status"] == "status: local 0/255 remote 1/20"
    assert len(row["deliveries"]) == 1


@pytest.mark.covers("glass/queue top")
def test_queue_top(busy):
    text = busy.glass("queue", "top", "--once")
    assert widths(text) <= 80
    assert text.startswith("3 messages to 3 recipients waiting\nstatus: local 0/255 remote 1/20\n")
    assert "\ndestination " in text


@pytest.mark.covers("glass/queue list")
def test_queue_list_by_cause(busy):
    text = busy.glass("queue", "list", "--by", "cause")
    assert widths(text) <= 80
    assert text.splitlines()[:2] == [
        "2 recipients because no other server could be reached", "    to far.test 2"]  # fmt: skip
    assert "what to do: " in text
    assert "1 recipient: not tried yet" in text
    assert text.endswith("3 messages to 3 recipients waiting\n")
    rows = busy.json("queue", "list", "--by", "cause")
    assert [row["recipients"] for row in rows] == [2, 1]
    assert rows[0]["beside"] == {"far.test": 2}
    by_place = busy.json("queue", "list", "--by", "destination")
    assert [row["name"] for row in by_place] == ["far.test", "slow.test"]
    busy.glass("queue", "list", "--by", "cause", "--from", "x", code=2)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="being somebody else needs root")
@pytest.mark.covers("command/qmail-qstat", "command/qmail-qread")
def test_others_see_figures_but_no_names(busy):
    other = Runner(NOBODY - 1, busy.runner.namespace)
    environment = {"GLASSMAIL_ROOT": str(busy.root)}
    text = busy.glass("status", uid=NOBODY - 1, code=None)
    assert "status: local 0/255 remote 1/20" in text
    assert "messages accepted" in text
    assert "far.test" not in text
    assert "nosuch@" not in text
    counted = other.run(other.historical("qmail-qstat"), environment)
    assert counted.stdout == (
        b"messages in queue: 3\nmessages in queue but not yet preprocessed: 0\n"
    )
    assert other.run(other.historical("qmail-qread"), environment).stdout == b""
    root = Runner(0, busy.runner.namespace)
    for runner in (root, busy.runner):
        read = runner.run(runner.historical("qmail-qread"), environment).stdout
        waiting = [line for line in read.split(b"\n") if b"remote" in line and b"done" not in line]
        assert len(waiting) == 3  # `qmail-qread | grep remote | grep -v done`


def test_watching_draws_again_until_interrupted(busy):
    words = busy.runner.glass("status", "--watch", "--root", str(busy.root))
    with busy.runner.start(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as watch:
        try:
            heads = 0
            for line in watch.stdout:
                heads += line.startswith(b"status: ")
                if heads == 2:
                    break
        finally:
            watch.send_signal(2)
        assert watch.wait(10) == 0


@pytest.mark.covers("control/metrics")
def test_metrics_tell_the_same_numbers(busy):
    address = f"http://127.0.0.1:{busy.metrics_port}/metrics"

    def figures():
        text = subprocess.run(
            ["curl", "--silent", "--show-error", "--fail", "--max-time", "10", address],
            check=True, capture_output=True,
        ).stdout.decode()  # fmt: skip
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name, *sorted(sample.labels.values())] = sample.value
        return found if found.get(("glassmail_queue_messages",)) == 3 else None

    found = until(figures, "the queue's figures are told")
    live = _live(busy)
    assert found["glassmail_messages_accepted_total",] == live["totals"]["accepted"] == 4
    assert found["glassmail_sessions_open",] == 3
    assert found["glassmail_deliveries_running", "remote"] == 1
    assert found["glassmail_deliveries_limit", "local"] == 255
    assert found["glassmail_deliveries_total", "local", "success"] == 1
    assert found["glassmail_deliveries_total", "deferral", "remote"] >= 2


def test_a_growing_queue_gets_advice(busy, monkeypatch):
    from glassmail.admin.live import look
    from glassmail.explain import queue_words

    monkeypatch.setattr(queue_words, "MANY", 2)
    picture = look(busy.place)
    told = picture.advice()
    assert told[0].startswith("3 messages wait, more than 2")
    assert any("go to far.test" in sentence for sentence in told)
    assert json.dumps(told)


def test_a_process_that_hangs_hides_its_own_part_only(busy):
    (log,) = [row["pid"] for row in busy.children() if row["role"] == "log"]
    os.kill(log, signal.SIGSTOP)
    try:
        text = busy.glass("status", code=1)
    finally:
        os.kill(log, signal.SIGCONT)
    assert "far.test" in text
    assert "messages accepted" not in text
    assert "log: no answer over " in text
    busy.glass("status")
