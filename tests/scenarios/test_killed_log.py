"""A kill -9 of the log process: no message is forgotten, of sessions at most the last second, and
`glass why` names the time."""

import os
import signal
import time

from glassmail.explain.why import ask_history, parse_question
from tests.scenarios.site import ONE_USER, TAMMY, code_of
from tests.scenarios.waiting import until

LAST_SECOND_S = 1.3  # the commit's rhythm, and what a batch waits for


def pid_of_log(site):
    (row,) = [row for row in site.children() if row["role"] == "log"]
    return row["pid"]


def test_what_is_lost_is_named(make_site):
    site = make_site(ONE_USER)
    site.control("tcp.smtp", ":allow\n")
    site.may_complain = True  # of the death of the log
    site.control("maxerrors", "100000\n")
    site.start()
    sessions = []
    killed_at = 0.0
    old = pid_of_log(site)
    for number in range(120):
        if number == 60:
            killed_at = time.time()
            os.kill(old, signal.SIGKILL)
            site.send(TAMMY)  # a message while no log runs
        with site.client() as client:
            client.ehlo()
            client.mail("a@src.test")
            code, text = client.rcpt(f"x{number}@elsewhere.test")
            assert code == 553
            sessions.append((time.time(), code_of(text.decode())))
        time.sleep(0.04)  # the pace of clients: what they do is spread over several commits
    until(lambda: pid_of_log(site) not in {old, 0}, "the log is back", 20)
    last = sessions[-1][1]
    until(lambda: known(site, last), "the log knows the last session")
    lost = [at for at, code in sessions if not known(site, code)]
    assert all(killed_at - LAST_SECOND_S <= at <= killed_at + 0.1 for at in lost), (killed_at, lost)
    assert len(lost) < 40
    rows = site.json("why", "--no-dns", "nobody@never.test", code=1)
    (gap,) = rows[0]["gaps"]
    assert gap["from"] < gap["until"]
    assert "or it was killed, from" in site.glass("why", "--no-dns", "nobody@never.test", code=1)
    row = site.json("why", TAMMY)[-1]
    assert (row["recipient"], row["state"]) == (TAMMY, "delivered")


def known(site, code):
    """Ask without starting a command."""
    found, _cases = ask_history(site.place, parse_question(code))
    return bool(found.count)
