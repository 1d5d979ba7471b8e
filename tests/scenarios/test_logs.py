"""The logs of a running server: read as qmail's are, and by `glass log`."""

import json
import signal
import subprocess
import threading

import pytest

from tests.qmail_log import Totals
from tests.scenarios.site import BOB, ONE_USER, TAMMY, USERS, Site, code_of
from tests.scenarios.waiting import until


@pytest.fixture(scope="module")
def logged():
    """A site with a delivered, a refused, a bounced message and one that waits."""
    made = Site(ONE_USER)
    made.control("smtproutes", "far.test:127.0.0.1:1\n")
    try:
        yield _with_mail(made.start())
    finally:
        made.close()


def _with_mail(site):
    first = site.send(TAMMY, sender=BOB)
    site.historical("qmail-inject", "-f", BOB, "nobody@example.test", input=b"Subject: x\n\n")
    site.historical("qmail-inject", "-f", TAMMY, "x@far.test", input=b"Subject: y\n\n")
    with site.client() as client:
        client.ehlo()
        client.mail("spam@src.test")
        refusal = client.rcpt("nosuch@example.test")[1].decode()
    until(lambda: len(site.messages(BOB)) == 1, "the bounce came back")
    until(lambda: any("deferral" in line for line in site.log_lines()), "the deferral is logged")
    until(lambda: len(site.log_lines("smtpd")) >= 2, "the sessions are logged")
    site.first, site.refusal = first, refusal
    return site


@pytest.mark.covers("log-line/accepted", "log-line/started", "log-line/settled", "log-line/ended")
def test_an_analyser_of_qmail_logs_reads_them(logged):
    totals = Totals().read(line.encode() for line in logged.log_lines())
    assert totals.counts["success"] == 2
    assert totals.counts["failure"] == totals.counts["bounce"] == 1
    assert totals.counts["deferral"] >= 1
    assert len(totals.ended) == 3
    (waiting,) = totals.messages.values()
    assert waiting[1] == TAMMY.encode()


@pytest.mark.covers("glass/log tail")
def test_tail(logged):
    lines = logged.glass("log", "tail", "-n", "5").splitlines()
    assert len(lines) == 5
    assert lines == logged.glass("log", "tail", "send", "-n", "5").splitlines()
    both = logged.glass("log", "tail", "send", "smtpd", "-n", "100").splitlines()
    assert {line.split()[2] for line in both} == {"send", "smtpd"}
    assert [line[:23] for line in both] == sorted(line[:23] for line in both)
    raw = logged.glass("log", "tail", "--raw", "-n", "1")
    assert raw.startswith("@40000000")
    coloured = logged.glass("log", "tail", "--colour", "always", "-n", "50")
    assert "\x1b[3" in coloured
    assert "\x1b" not in logged.glass("log", "tail", "-n", "50")


def test_tail_with_filters(logged):
    waiting = logged.glass("log", "tail", "--to", "far.test").splitlines()
    assert waiting[0].split(" ", 2)[2].startswith("new msg ")
    assert "deferral" in waiting[3]
    failed = logged.json("log", "tail", "--state", "failure")
    assert any("failure" in row["line"] for row in failed)
    assert not any("success" in row["line"] for row in failed)
    assert logged.json("log", "tail", "--since", "1d", "--until", "12h") == []
    refused = logged.json("log", "tail", "--client", "127.0.0.1")
    assert {row["log"] for row in refused} == {"smtpd"}


@pytest.mark.covers("glass/log grep")
def test_grep(logged):
    assert "nobody@example.test" in logged.glass("log", "grep", "NOBODY@", "-i")
    assert logged.glass("log", "grep", "no such text", code=1) == ""
    found = logged.json("log", "grep", "-e", r"end msg \d+$", "send", "--from", BOB)
    assert len(found) == 2


@pytest.mark.covers("glass/log session")
def test_session(logged):
    code = code_of(logged.first)
    lines = logged.json("log", "session", code)
    number = next(row["line"].split()[-1] for row in lines if row["line"].startswith("new msg"))
    kinds = [row["line"].split()[0] for row in lines]
    assert sorted(kinds) == ["delivery", "end", "info", "new", "session", "starting"]
    assert lines == logged.json("log", "session", f"#{number}")
    refused = logged.json("log", "session", code_of(logged.refusal))
    assert [row["line"].split()[0] for row in refused] == ["refused", "session"]
    said = logged.glass("log", "session", "#999999", code=1)
    assert "glass why '#999999' asks the history" in said
    logged.glass("log", "session", "what?", code=2)


def test_following_goes_on_across_rotation(make_site):
    site = make_site(ONE_USER)
    site.control("logsize", "4096\n")
    site.start()
    words = site.runner.glass("log", "tail", "-f", "-n", "0", "--json", "--root", str(site.root))
    seen = []
    with site.runner.start(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tail:
        reader = threading.Thread(
            target=lambda: seen.extend(json.loads(line)["line"] for line in tail.stdout)
        )
        reader.start()
        try:
            sent = []
            until(lambda: sent.append(site.send(TAMMY)) or seen, "the tail follows")
            first = len(sent)
            for _ in range(20):
                site.send(TAMMY)
            last = first + 20
            until(lambda: f"end msg {last}" in seen, "the last line")
            assert len(list((site.root / "log" / "send").glob("@*"))) >= 2
        finally:
            tail.send_signal(signal.SIGINT)
        assert tail.wait(10) == 0
        reader.join()
    ends = [line for line in seen if line.startswith("end msg")]
    assert ends[-20:] == [f"end msg {n}" for n in range(first + 1, last + 1)]
    Totals().read(line.encode() for line in site.log_lines())


@pytest.mark.root
def test_with_a_user_for_each_daemon(make_site):
    """Log files, records and processors belong to the log's user; root may look at everything."""
    site = make_site(USERS)
    site.control("logsize", "4096\n")
    site.control("logrecords", "json\n")
    site.control("logprocessor", "send:id -u; cat\n")
    site.start()
    for _ in range(25):
        site.send(TAMMY)
    directory = site.root / "log" / "send"
    until(lambda: list(directory.glob("@*.s")), "a processed file")
    first = min(directory.glob("@*.s"))
    (log,) = [row for row in site.processes() if row["role"] == "log"]
    assert first.read_text().splitlines()[0] == str(log["uid"]) != "0"
    assert first.stat().st_uid == log["uid"]
    def told(record):
        rows = site.json("log", "tail", "records", "-n", "1000")
        records = [json.loads(row["line"]) for row in rows]
        return [row for row in records if row["record"] == record]

    until(lambda: len(told("end")) == 25, "25 records of messages that ended")
    assert sum(row["result"] == "success" for row in told("delivery")) == 25
    assert len({row["code"] for row in told("message")}) == 25
    text = site.glass("status")
    assert "status: local 0/255 remote 0/20" in text
    assert "messages accepted" in text


@pytest.mark.covers("control/smtpdlog")
def test_s_qmails_lines(make_site):
    site = make_site(ONE_USER)
    site.control("smtpdlog", "sqmail\n")
    site.control("badmailfrom", "@spam.test\n")
    site.write(site.root / "control" / "tcp.smtp", ":allow\n")
    site.start()
    with site.client() as client:
        client.helo("mail.src.test")
        client.mail("a@src.test")
        assert client.rcpt(TAMMY)[0] == 250
        assert client.rcpt("x@elsewhere.test")[0] == 553
        assert client.rcpt("nosuch@example.test")[0] >= 500
        client.rset()
        client.mail("b@spam.test")
        assert client.rcpt(TAMMY)[0] == 553

    def said():
        lines = [line for line in site.log_lines("smtpd") if line.startswith("qmail-smtpd: pid ")]
        return lines if len(lines) == 4 else None

    lines = until(said, "four lines of s/qmail's")
    tail = "P:SMTP S:127.0.0.1:"
    assert [line.split()[3] for line in lines] == [
        "Accept::RCPT::Rcpthosts_Rcptto", "Reject::SNDR::Invalid_Relay",
        "Reject::RCPT::Failed_Rcptto", "Reject::ORIG::Bad_Mailfrom",
    ]  # fmt: skip
    assert all(tail in line and " H:mail.src.test " in line for line in lines)
    assert lines[0].endswith(f" F:a@src.test T:{TAMMY}")
    assert lines[3].endswith(f" F:b@spam.test T:{TAMMY}")
    shown = site.json("log", "tail", "smtpd", "--client", "127.0.0.1", "-n", "50")
    assert sum(row["line"].startswith("qmail-smtpd: pid") for row in shown) == 4
