"""Control files that bound deliveries or name senders, obeyed by a running server."""

import contextlib
import os
import socket
import time

import pytest

from tests.scenarios.site import BOB, HOST, ONE_USER, TAMMY, free_ports
from tests.scenarios.waiting import until

DAY_S = 86_400


@pytest.fixture
def silent():
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield f"127.0.0.1:{sock.getsockname()[1]}"


def reports(site):
    return [r["text"] for row in site.queued() for r in row["recipients"]]


@pytest.mark.covers("control/bouncefrom", "control/bouncehost")
def test_names_of_a_bounce(make_site):
    site = make_site(ONE_USER)
    site.control("checkrecipients", "0\n")
    site.control("bouncefrom", "returns\n")
    site.control("bouncehost", "returns.example.org\n")
    site.start().send("nobody@example.test", sender=BOB)
    (bounce,) = site.arrived(BOB)
    assert b"\nFrom: returns@returns.example.org\n" in bounce
    assert b"This is the qmail-send program at returns.example.org.\n" in bounce


@pytest.mark.covers("control/doublebounceto", "control/doublebouncehost")
def test_where_double_bounces_go(make_site):
    site = make_site(ONE_USER)
    site.control("checkrecipients", "0\n")
    site.control("doublebounceto", "bob\n")
    site.control("doublebouncehost", "example.test\n")
    site.start().send("nobody@example.test", sender="")
    (bounce,) = site.arrived(BOB)
    assert b"\nTo: bob@example.test\n" in bounce
    assert b"but the bounce bounced!\n" in bounce


@pytest.mark.covers("control/concurrencyremote", "control/timeoutremote")
def test_remote_deliveries_at_once_and_their_patience(make_site, silent):
    site = make_site(ONE_USER)
    site.control("smtproutes", f":{silent}\n")
    site.control("concurrencyremote", "2\n")
    site.control("timeoutremote", "2\n")
    site.start()
    for number in range(4):
        site.send(f"x@far{number}.test", sender=TAMMY)
    until(lambda: site.ask("stats")["remote"] == 2, "two deliveries run")
    until(lambda: sum(map(bool, reports(site))) == 4, "all four gave up", 30)
    assert "status: local 0/255 remote 2/2" in site.log_lines()
    assert not any(" remote 3/" in line for line in site.log_lines())
    assert set(reports(site)) <= {
        "Connected to 127.0.0.1 but greeting failed.\nRemote host said: \n",
        "Connected to 127.0.0.1 but connection died. (#4.4.2)\n",
    }


@pytest.mark.covers("control/timeoutconnect")
def test_a_connection_that_never_comes(make_site):
    site = make_site(ONE_USER)
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = full.getsockname()[1]
        for _ in range(3):  # nobody accepts: what comes now gets no answer
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", port))
        site.control("smtproutes", f":127.0.0.1:{port}\n")
        site.control("timeoutconnect", "1\n")
        site.start()
        began = time.monotonic()
        site.send("x@far.test", sender=TAMMY)
        until(lambda: any(reports(site)), "it gave up")
        assert 0.9 < time.monotonic() - began < 20
        assert reports(site) == ["Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"]
        told = site.historical("qmail-tcpto").stdout
        assert told.startswith(b"127.0.0.1 timed out ")
        assert told.endswith(b" seconds ago; # recent timeouts: 1\n")
        assert site.historical("qmail-tcpok").stdout == b""
        assert site.historical("qmail-tcpto").stdout == b""


@pytest.mark.covers("control/concurrencylocal", "control/timeoutprogram")
def test_local_deliveries_at_once_and_their_patience(make_site):
    site = make_site(ONE_USER)
    site.write(site.root / "alias" / ".qmail-slow", "|sleep 60\n")
    site.control("concurrencylocal", "1\n")
    site.control("timeoutprogram", "1\n")
    site.start()
    for _ in range(2):
        site.send(f"slow@{HOST}")
    until(lambda: sum(map(bool, reports(site))) == 2, "both were ended", 30)
    assert "status: local 1/1 remote 0/20" in site.log_lines()
    assert not any("status: local 2/" in line for line in site.log_lines())


@pytest.mark.covers("control/listen", "control/smtpdprocesses")
def test_where_it_listens_and_with_how_many_processes(make_site):
    site = make_site(ONE_USER)
    (port,) = free_ports(1)
    lines = (site.root / "control" / "listen").read_text()
    site.control("listen", f"{lines}# one more\nsmtp 127.0.0.1:{port}\n")
    site.control("smtpdprocesses", "3\n")
    site.start()
    assert [row["role"] for row in site.children()].count("smtpd") == 3
    with site.client(port) as client:
        assert client.ehlo()[0] == 250
    with site.client() as client:
        assert client.ehlo()[0] == 250


@pytest.mark.covers("control/logsize", "control/logfiles")
def test_size_and_number_of_log_files(make_site):
    site = make_site(ONE_USER)
    site.control("logsize", "4096\n")
    site.control("logfiles", "3\n")
    site.start()
    log = site.root / "log" / "send"
    seen = set()

    def sees_many():  # several may be finished, and removed, between two looks
        site.send(TAMMY)
        seen.update(path.name for path in log.glob("@*.s"))
        return len(seen) > 4

    until(sees_many, "more than are kept")
    finished = until(lambda: len(found := list(log.glob("@*"))) <= 2 and found, "two are kept")
    assert all(path.stat().st_size <= 4_096 for path in finished)


@pytest.mark.covers("control/historydays", "control/historygigabytes")
@pytest.mark.parametrize("bound", ["historydays", "historygigabytes"])
def test_how_much_history_is_kept(make_site, bound):
    site = make_site(ONE_USER)
    site.control(bound, "3\n")
    site.start().send(TAMMY)
    site.stop()
    (today,) = (site.root / "history").glob("*.db")
    when = time.strptime(today.stem, "%Y-%m-%d")
    for days in (1, 10):
        day = time.strftime("%Y-%m-%d", time.gmtime(time.mktime(when) + DAY_S / 2 - days * DAY_S))
        copy = today.with_name(f"{day}.db")
        copy.write_bytes(today.read_bytes())
        os.chown(copy, today.stat().st_uid, today.stat().st_gid)
        if bound == "historygigabytes":
            os.truncate(copy, 2_000_000_000)  # a hole: it takes no room
    site.start().send(TAMMY)
    until(lambda: len(list(today.parent.glob("*.db"))) == 2, "the old day is gone")
    assert site.glass("why", TAMMY)


@pytest.mark.covers("control/programmemory")
def test_memory_of_programs(make_site):
    site = make_site(ONE_USER)
    site.write(site.root / "alias" / ".qmail-hog",
               "|/usr/bin/python3 -c 'print(len(bytes(400000000)))'; exit 100\n")  # fmt: skip
    site.start()
    site.send(f"hog@{HOST}", sender=BOB)
    assert b"\n400000000\n" in site.arrived(BOB)[0]
    site.control("programmemory", "200000000\n")
    until(lambda: _bounced(site), "the program has less memory")


def _bounced(site):
    site.send(f"hog@{HOST}", sender=BOB)
    return any(b"\nMemoryError\n" in message for message in site.messages(BOB))
