"""What broken settings, closed directories and a full disk get: a clear word, and no lost mail."""

import os
import smtplib
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.scenarios.conftest import need_users
from tests.scenarios.program import NOBODY
from tests.scenarios.site import BOB, ONE_USER, TAMMY, USERS
from tests.scenarios.waiting import until

STILL_ROUNDS = 6
BROKEN = {
    "rcpthosts": (b"example.test\nex\0ample.test\n", ":2: holds a NUL byte: write the line anew"),
    "virtualdomains": (b"\0\n", ":1: holds a NUL byte: write the line anew"),
    "concurrencylocal": (b"1\0\n", ":1: holds a NUL byte: write the line anew"),
    "listen": (b"# ours\nsmtp 127.0.0.1\n", ":2: 127.0.0.1: the port must be a number from 1 to"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_at_start(make_site, name):
    site = make_site(ONE_USER)
    data, words = BROKEN[name]
    site.control(name, data)
    assert f"control/{name}{words}" in site.refuses_to_start()


def test_an_unreadable_file_at_start(make_site):
    site = make_site(ONE_USER)
    (site.root / "control" / "locals").chmod(0)
    said = site.refuses_to_start()
    assert f"{site.root}/control/locals: Permission denied: make it readable" in said


def test_a_file_that_breaks_while_running(make_site):
    """The last good value stays, and the fault is told once by each process that reads it."""
    site = make_site(ONE_USER).start()
    site.control("rcpthosts", b"other.test\n\0\n")
    site.control("virtualdomains", b"\0\n")
    site.server.send_signal(1)
    fault = "holds a NUL byte: write the line anew"
    smtpds = f"alert: smtpd: control/rcpthosts:2: {fault}; the last good value stays"
    deliver_until(site, lambda: smtpds in site.log_lines("serve"))
    queues = f"alert: control/virtualdomains:1: {fault}"  # in qmail-send's log, as its alerts are
    until(lambda: any(line.startswith(queues) for line in site.log_lines()), "the queue tells")
    site.control("rcpthosts", None)
    gone = "control/rcpthosts is gone; without it every domain would be accepted"
    deliver_until(site, lambda: gone in "\n".join(site.log_lines("serve")))
    assert site.children()[0]["starts"] == 1


def deliver_until(site, question):
    """Send mail, which is when settings are looked at, until something is so."""

    def send_and_ask():
        count = len(site.files(TAMMY))
        site.send(TAMMY)
        site.arrived(TAMMY, count + 1)
        return question()

    try:
        until(send_and_ask, "the log tells", 5)
    except AssertionError as error:
        raise AssertionError(site.log_lines("serve")) from error


def test_no_rcpthosts_is_refused_unless_meant(make_site):
    site = make_site(ONE_USER)
    site.control("rcpthosts", None)
    said = site.refuses_to_start()
    assert (
        "control/rcpthosts does not exist, so that mail for every domain would be relayed" in said
    )
    assert "1 into control/openrelay" in said
    site.control("openrelay", b"1\n")
    site.start()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pop3 127.0.0.1:1110", "control/listen:2: pop3 is not built yet; remove the line"),
        ("gopher 127.0.0.1:70", "control/listen:2: unknown service gopher; known are smtp, subm"),
        ("smtp ::1:25", "control/listen:2: ::1:25: write an IPv6 address in brackets"),
    ],
)
def test_a_listener_that_cannot_be_had(make_site, line, words):
    site = make_site(ONE_USER)
    site.control("listen", f"smtp 127.0.0.1:{site.smtp_port}\n{line}\n")
    assert words in site.refuses_to_start()


def test_a_port_that_somebody_has(make_site):
    site, other = make_site(ONE_USER).start(), make_site(ONE_USER)
    other.control("listen", f"smtp 127.0.0.1:{site.smtp_port}\n")
    said = other.refuses_to_start()
    assert "control/listen:1" in said
    assert str(site.smtp_port) in said


def test_a_second_server(make_site):
    site = make_site(ONE_USER).start()
    said = site.refuses_to_start()
    assert f"a server already runs here (process {site.server.pid}): glass status" in said
    site.send(TAMMY)
    site.arrived(TAMMY)


def test_a_closed_directory_above_root(make_site):
    site = make_site(USERS)
    site.base.chmod(0o700)
    said = site.refuses_to_start()
    assert f"{site.base} is closed to uid " in said
    assert f"chmod a+x {site.base}" in said
    site.base.chmod(0o755)
    site.start()


def test_a_directory_without_site(make_site):
    site = make_site(ONE_USER)
    (site.root / "control").rename(site.root / "away")
    assert f"{site.root}/control does not exist: make a site with `glass init`" in (
        site.refuses_to_start()
    )


@pytest.fixture
def small_disk():
    """A filesystem of 80 MB, the queue's reserve included."""
    need_users()
    above = f"/tmp/glassmail-disk-{os.getpid()}"
    base = f"{above}/disk"
    os.makedirs(base, mode=0o755)
    os.chown(above, NOBODY, NOBODY)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m,mode=755", "none", base], check=True)
    yield base
    subprocess.run(["umount", "-l", base], check=True)
    os.rmdir(base)
    os.rmdir(above)


def test_a_full_disk(small_disk, make_site):
    site = make_site(ONE_USER, directory=small_disk)
    site.control("queueminfree", "4000000\n")
    site.may_complain = True
    site.start()
    body = b"Subject: %d\r\n\r\n" + b"0123456789abcde\r\n" * 60_000  # 1 MB
    sent = 0
    refusal = None
    while refusal is None and sent < 100:
        try:
            site.send([TAMMY, BOB], body % sent)
            sent += 1
        except smtplib.SMTPResponseException as error:
            refusal = error
    assert refusal.smtp_code == 452
    assert b"(#4.3." in refusal.smtp_error
    assert 5 <= sent < 100
    full = os.path.join(small_disk, "ballast")
    fill(full)
    with pytest.raises(smtplib.SMTPResponseException) as refused:
        site.send(TAMMY)
    assert refused.value.smtp_code == 452
    (remote,) = [row["pid"] for row in site.children() if row["role"] == "remote"]
    before = children_of(site.server.pid)
    os.kill(remote, 9)  # the server goes on although it cannot write its status down
    until(lambda: len(children_of(site.server.pid) - before) == 1, "another remote runs")
    os.unlink(full)
    for mailbox in (TAMMY, BOB):
        until(lambda mailbox=mailbox: len(site.files(mailbox)) + waiting(site, mailbox) >= sent,
              "everything taken is there or waits")  # fmt: skip
    for path in [*site.files(TAMMY)][: sent // 2]:
        path.unlink()
    kept = sent - sent // 2
    site.server.send_signal(14)  # what was deferred need not wait for its time
    until(lambda: takes_mail(site), "mail is taken again without a restart", 15)
    site.until_empty(30)
    subjects = {mailbox: [subject(m) for m in site.messages(mailbox)] for mailbox in (TAMMY, BOB)}
    numbers = [b"%d" % number for number in range(sent)]
    assert sorted(subjects[BOB]) == sorted(numbers)
    assert len([s for s in subjects[TAMMY] if s != b"hello"]) == kept
    assert len(set(subjects[TAMMY])) == len(subjects[TAMMY])
    starts = {row["role"]: row["starts"] for row in site.children()}
    # The one that was killed may need another start while there is no room; nobody else does.
    assert starts.pop("remote") >= 2
    assert set(starts.values()) == {1}, site.children()
    assert site.server.poll() is None


def fill(path):
    """Write until nothing more fits, also when deliveries under way have ended and made room."""
    still = 0
    with open(path, "wb", buffering=0) as file:
        while still < STILL_ROUNDS:
            written = 0
            with suppress(OSError):
                while file.write(bytes(4_096)):
                    written += 1
            still = 0 if written else still + 1
            time.sleep(0.05)
    left = os.statvfs(path)
    assert left.f_bavail == 0, left


def children_of(pid):
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def waiting(site, mailbox):
    rows = site.queued() or []
    return sum(r["original"] == mailbox and r["state"] == "waiting"
               for row in rows for r in row["recipients"])  # fmt: skip


def takes_mail(site):
    try:
        site.send(TAMMY)
    except smtplib.SMTPResponseException:
        return False
    return True


def subject(message):
    return message.partition(b"\nSubject: ")[2].partition(b"\n")[0]
