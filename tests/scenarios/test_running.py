"""A running server obeys: signals, `glass stop`, `reload`, and orders about single messages."""

import os
import re
import signal
import time

import pytest

from tests.scenarios.site import HOST, ONE_USER, TAMMY
from tests.scenarios.waiting import until

BUSY = "451 4.3.0 busy"
GOOD = "250 ok"


@pytest.fixture
def relaying(make_site, peer):
    """A site that sends everything it does not know to the peer."""
    site = make_site(ONE_USER)
    site.control("smtproutes", f":{peer.route}\n")
    return site.start()


def deferred(site, peer, count=1):
    """Send messages to far away that the peer puts off; return their rows."""
    peer.answers["RCPT"] = BUSY
    for number in range(count):
        site.send(f"far{number}@remote.test", sender=TAMMY)

    def all_put_off():
        rows = site.queued()
        return len(rows) == count and all(r["recipients"][0]["text"] for r in rows) and rows

    return until(all_put_off, "the peer put everything off")


@pytest.mark.covers("glass/reload", "glass/serve")
def test_hup_reads_virtualdomains_again(relaying, peer):
    site = relaying
    site.write(site.root / "alias" / ".qmail-virt-default", f"&{TAMMY}\n")
    site.send("joe@virt.test", b"Subject: before\r\n\r\n")
    until(lambda: len(peer.messages) == 1, "it goes to the peer")
    site.control("virtualdomains", f"{TAMMY.partition('@')[2]}:example.test\nvirt.test:virt\n")
    site.send("joe@virt.test", b"Subject: between\r\n\r\n")
    until(lambda: len(peer.messages) == 2, "it still goes to the peer")
    first = site.json("trace", "joe@virt.test", code=None)[0]
    assert first["question"] == "queueing.tables"
    assert (first["subject"], first["answer"]) == ("control/virtualdomains", "no")
    before = site.ask("stats")["settings"]["virtualdomains"]
    assert site.glass("reload") == "reloaded\n"

    def is_local():
        site.send("joe@virt.test", b"Subject: after\r\n\r\n")
        return any(b"\nSubject: after\n" in message for message in site.messages(TAMMY))

    until(is_local, "it goes to tammy")
    (message,) = [m for m in site.messages(TAMMY) if b"\nSubject: after\n" in m][:1]
    assert b"\nDelivered-To: virt-joe@virt.test\n" in message
    assert site.ask("stats")["settings"]["virtualdomains"] != before
    rows = site.json("trace", "joe@virt.test", code=None)
    assert "queueing.tables" not in {
        row.get("question") for row in rows if row.get("answer") == "no"
    }
    assert all(row["starts"] == 1 for row in site.children())


def test_alrm_tries_now(relaying, peer):
    site = relaying
    (row,) = deferred(site, peer)
    waits = row["recipients"][0]["retry_at"] - row["born"]
    assert 400 <= waits <= 500  # the square of 20 seconds (qmail-send.c nextretry)
    peer.answers["RCPT"] = GOOD
    site.server.send_signal(signal.SIGALRM)
    until(lambda: len(peer.messages) == 1, "it is sent")
    site.until_empty()
    assert peer.messages[0][1] == [b"RCPT TO:<far0@remote.test>"]


@pytest.mark.covers("glass/stop")
def test_term_finishes_what_runs(make_site):
    site = make_site(ONE_USER)
    out = site.root / "alias" / "out"
    site.write(site.root / "alias" / ".qmail-slow", "| echo begun > begun; sleep 1; cat > out\n")
    site.start()
    site.send(f"slow@{HOST}")
    until((site.root / "alias" / "begun").exists, "the program runs")
    site.send(f"slow@{HOST}", b"Subject: second\r\n\r\n")
    assert site.glass("stop") == "stopped\n"
    assert site.server.wait(5) == 0
    assert out.exists()
    lines = site.log_lines()
    assert lines[-1] == "status: exiting"
    assert any(line.endswith(" exitasap") for line in lines)
    assert site.glass("stop", code=1) == "no server runs here\n"
    site.start()
    site.until_empty()


@pytest.mark.covers("glass/restart")
def test_glass_restart(make_site):
    site = make_site(ONE_USER).start()
    before = site.server.pid
    try:
        assert site.glass("restart").endswith("ready\n")
        assert site.server.wait(5) == 0
        assert int((site.root / "run" / "serve.pid").read_text()) != before
        site.send(TAMMY)
        assert len(site.arrived(TAMMY)) == 1
    finally:
        assert site.glass("stop") == "stopped\n"


def test_restart_is_told_by_status(make_site):
    site = make_site(ONE_USER).start()
    text = site.glass("status")
    head, *lines = text.splitlines()
    assert re.fullmatch(re.escape(str(site.root)) + r": ready, running for \d+ (s|min)", head)
    (smtpd,) = [n for n, line in enumerate(lines) if line.startswith("  smtpd ")]
    assert lines[smtpd].endswith(f" smtp 127.0.0.1:{site.smtp_port}")
    assert lines[smtpd + 1].strip().startswith("submission 127.0.0.1:")
    assert "queue: 0 messages, 0 unprocessed" in lines
    assert "died before" not in text
    site.may_complain = True
    (log,) = [row["pid"] for row in site.children() if row["role"] == "log"]
    os.kill(log, signal.SIGKILL)
    until(lambda: [r["pid"] for r in site.children() if r["role"] == "log"] not in ([log], [0]),
          "a new log process")  # fmt: skip
    told = until(lambda: site.glass("status", code=None).partition("died before: ")[2],
                 "the death is told")  # fmt: skip
    assert told.startswith("killed by signal SIGKILL, 1 restart\n")


@pytest.mark.covers("glass/queue hold", "glass/queue release", "glass/queue retry")
def test_hold_release_retry(relaying, peer):
    site = relaying
    (row,) = deferred(site, peer)
    number = str(row["message"])
    assert site.glass("queue", "hold", number) == (
        f"message {number}: held; glass queue release lets it go\n"
    )
    peer.answers["RCPT"] = GOOD
    site.server.send_signal(signal.SIGALRM)
    until(lambda: site.queued()[0]["held"], "it is held")
    time.sleep(0.3)  # that nothing happens can only be waited for
    assert peer.messages == []
    assert "  held" in site.glass("queue", "list", "--state", "held")
    site.glass("queue", "release", number)
    until(lambda: site.queued() == [] or not site.queued()[0]["held"], "it is released")
    site.glass("queue", "retry", number, code=None)
    until(lambda: len(peer.messages) == 1, "it is sent")
    site.until_empty()
    assert site.glass("queue", "list") == "no messages wait\n"


@pytest.mark.covers("glass/queue bounce", "glass/queue drop", "log-line/administered")
def test_bounce_and_drop(relaying, peer):
    site = relaying
    first, second = deferred(site, peer, 2)
    site.glass("queue", "bounce", str(first["message"]))
    (bounce,) = site.arrived(TAMMY)
    assert b"<far0@remote.test>:\nThe postmaster returned this message to its sender." in bounce
    site.glass("queue", "drop", str(second["message"]))
    site.until_empty()
    assert len(site.files(TAMMY)) == 1
    assert peer.messages == []
    story = site.glass("why", f"#{second['message']}")
    assert "dropped" in story
    uid = site.runner.uid
    assert f"admin msg {second['message']}: drop by uid {uid}" in site.log_lines()
    said = site.glass("queue", "drop", str(second["message"]), code=1)
    assert said == f"glass queue: there is no message {second['message']} in the queue\n"


@pytest.mark.covers("glass/queue show")
def test_show_and_list(relaying, peer):
    site = relaying
    (row,) = deferred(site, peer)
    shown = site.glass("queue", "show", str(row["message"]))
    assert "to remote far0@remote.test: next attempt in 6 min\n" in shown
    assert "        Remote host said: 451 4.3.0 busy\n" in shown
    assert "\nSubject: hello\n" in shown
    (listed,) = site.json("queue", "list", "--to", "far0")
    assert listed == site.queued()[0]
    assert site.json("queue", "list", "--from", "nobody") == []


def test_another_user_sees_only_their_own(relaying, peer):
    site = relaying
    if site.runner.uid == os.geteuid():
        pytest.skip("another user can be had by root only")
    deferred(site, peer)
    stranger = site.runner.uid - 1
    assert site.glass("queue", "list", uid=stranger) == "no messages wait\n"
    said = site.glass("queue", "drop", "1", code=1, uid=stranger)
    assert said == "glass queue: there is no message 1 in the queue\n"
    assert len(site.queued()) == 1
