"""A kill -9 of each process in turn, while mail comes in, loses no mail that was answered 250."""

import os
import re
import signal
import smtplib
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.scenarios.site import ONE_USER, TAMMY
from tests.scenarios.waiting import until

SENDERS = 10
FULL = bool(os.environ.get("GLASSMAIL_FULL"))
MESSAGES = 2_000 if FULL else 600
BACK_WITHIN_S = 1.0
CRASHED = "qmail-local crashed.\n"
GONE_WITHIN_S = 1.5
ROLES = ("smtpd", "queue", "local", "worker", "remote", "keeper", "log", "queue", "local", "smtpd")


class Load:
    """Ten clients that send until enough messages were answered 250.

    A message whose answer never came is sent again under another name: whether the first came in
    is then not known, so that it may be there or not, but never twice.
    """

    def __init__(self, site):
        self._site = site
        self._lock = threading.Lock()
        self._left = MESSAGES
        self._is_over = False
        self.accepted = []
        self.unanswered = []
        self.faults = []
        self._threads = [threading.Thread(target=self._send, args=(n,), daemon=True)
                         for n in range(SENDERS)]  # fmt: skip

    def start(self):
        for thread in self._threads:
            thread.start()

    def join(self):
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive()

    def stop(self):
        """Let the clients end, whatever is left."""
        self._left = 0
        self._is_over = True

    def _send(self, number):
        count = 0
        while not self._is_over:
            with self._lock:
                if not self._left:
                    return
                self._left -= 1
            while not (self._one(f"m-{number}-{count}") or self._is_over):
                count += 1
                time.sleep(0.02)
            count += 1

    def _one(self, name):
        message = f"Subject: {name}\r\n\r\n".encode() + b"x" * 1_000 + b"\r\n"
        try:
            self._site.send(TAMMY, message)
        except smtplib.SMTPResponseException as error:
            if not 400 <= error.smtp_code < 500:
                self.faults.append((name, error))
            self.unanswered.append(name)  # 451: the queue died, and may have kept it before
            return error.smtp_code >= 500
        except (OSError, smtplib.SMTPException):
            self.unanswered.append(name)
            return False
        self.accepted.append(name)
        return True


def pids_of(site, role):
    if role == "worker":
        (local,) = [row for row in site.processes() if row["role"] == "local"]
        return [worker["pid"] for worker in local["workers"]][-1:]
    return [row["pid"] for row in site.children() if row["role"] == role]


def kill_and_see_it_back(site, role):
    (pid,) = pids_of(site, role)
    os.kill(pid, signal.SIGKILL)
    if role == "worker":
        return
    died = time.monotonic()
    until(
        lambda: pids_of(site, role) not in ([pid], [0]) and is_alive(pids_of(site, role)[0]),
        f"{role} is back: {site.complaints()}",
        BACK_WITHIN_S,
    )
    assert time.monotonic() - died <= BACK_WITHIN_S + 0.1
    (row,) = [row for row in site.processes() if row["role"] == role]
    assert row["last_death"] == "killed by signal SIGKILL", row
    assert row["starts"] >= 2


def is_alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


@pytest.fixture
def make_load():
    """Start clients that stop with the test."""
    loads = []

    def make(site):
        loads.append(Load(site))
        loads[-1].start()
        return loads[-1]

    yield make
    for load in loads:
        load.stop()


def test_no_answered_message_is_lost(make_site, make_load):
    site = make_site(ONE_USER)
    site.may_complain = True
    site.start()
    load = make_load(site)
    for turn, role in enumerate(ROLES, 1):
        enough = MESSAGES * turn // (len(ROLES) + 1)
        until(lambda enough=enough: len(load.accepted) >= enough, "mail comes in", 60)
        kill_and_see_it_back(site, role)
    load.join()
    assert load.faults == []
    assert len(load.accepted) == MESSAGES
    everything_is_there_once(site, load)
    serve_log_names_the_dead(site)


def everything_is_there_once(site, load):
    retry(site)
    seen = Counter(
        re.search(rb"\nSubject: (m-\d+-\d+)\n", message)[1].decode()
        for message in site.messages(TAMMY)
    )
    assert [name for name in load.accepted if name not in seen] == []
    assert [name for name, count in seen.items() if count > 1] == []
    assert set(seen) <= set(load.accepted) | set(load.unanswered)


def retry(site):
    """Empty the queue: what a killed worker had in hand is deferred, and tried again by ALRM."""

    def is_empty():
        queued = site.queued()
        if queued and all(row["recipients"][0]["text"] == CRASHED for row in queued):
            site.server.send_signal(signal.SIGALRM)
        return queued == []

    until(is_empty, "everything is delivered", 60)


def serve_log_names_the_dead(site):
    text = "\n".join(site.log_lines("serve"))
    for role in set(ROLES) - {"worker"}:
        assert re.search(rf"{role} \(process \d+\) died: killed by signal SIGKILL", text), (
            role,
            text,
        )


def family(pid):
    """A process and all below it."""
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(below for child in direct for below in family(int(child)))]


def test_the_supervisors_death_leaves_nothing_behind(make_site):
    site = make_site(ONE_USER).start()
    site.send(TAMMY)
    site.arrived(TAMMY)
    pids = family(site.server.pid)
    assert len(pids) >= 8  # with local's forker and a worker
    site.server.kill()
    site.server.wait(10)
    until(lambda: not any(map(is_alive, pids)), f"all of {pids} are gone", GONE_WITHIN_S)
    assert site.glass("status", code=1).startswith("no server runs at")
    site.start()
    site.send(TAMMY)
    site.arrived(TAMMY, 2)


def test_a_dead_supervisor_in_the_middle_of_mail(make_site, make_load):
    """Nothing accepted is lost, nothing is there twice, when everything dies at once."""
    site = make_site(ONE_USER)
    site.may_complain = True
    site.start()
    load = make_load(site)
    for enough in (MESSAGES // 4, MESSAGES // 2):
        until(lambda enough=enough: len(load.accepted) >= enough, "mail comes in", 60)
        for pid in family(site.server.pid):
            os.kill(pid, signal.SIGKILL)
        site.server.wait(10)
        site.start()
    load.join()
    everything_is_there_once(site, load)
