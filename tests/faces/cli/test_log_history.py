"""`glass log import`, `glass log forget` and `glass why --logs` on a stopped and a running site."""

import json
import shutil

import pytest
from click.testing import CliRunner

from glassmail.events import codec
from glassmail.faces.cli.log import log
from glassmail.faces.cli.why import why
from glassmail.store.history.writer import History
from tests.house.sources import PROJECT
from tests.scenarios.site import ONE_USER, Site
from tests.scenarios.waiting import until
from tests.store.history.story import NOON, S, delivered

LOGS = PROJECT / "tests" / "data" / "logs"


@pytest.fixture
def root(tmp_path):
    history = History(str(tmp_path / "history"), 30, lambda: NOON + 60 * S)
    events = delivered(NOON, 5, code=1005)
    history.takes_fact(1, 1)
    history.add_fact(1, codec.encode(events), events)
    history.close()
    (tmp_path / "control").mkdir()
    (tmp_path / "control" / "me").write_text("mx.here.test\n")
    (tmp_path / "control" / "historydays").write_text("36500\n")
    (tmp_path / "log" / "send").mkdir(parents=True)
    (tmp_path / "log" / "send" / "current").write_bytes(b"info <joe@here.test> x\n")
    return str(tmp_path)


def run(command, *words, **options):
    return CliRunner().invoke(command, words, **options)


@pytest.mark.covers("glass/log import")
def test_import_and_ask(root):
    done = run(log, "import", "--root", root, "--name", "old-mx", str(LOGS))
    assert done.exit_code == 0, done.output
    assert "49 lines read, 49 of them known" in done.output
    assert run(log, "import", "--root", root, "--list").stdout == "old-mx\n"
    told = run(why, "--root", root, "out@remote.test")
    assert told.exit_code == 0
    assert "out@remote.test: delivered (message #194)" in told.stdout
    told = run(why, "--root", root, "ABC123")
    assert "message #194" in told.stdout
    line = "@400000006b00616a0a453bfc delivery 4: failure: Sorry,_no_mailbox_here_by_that_name."
    told = run(why, "--root", root, line)
    assert "odd_joe@virt.test: failed (message #176)" in told.stdout
    assert "nobody here has that name" in told.stdout
    told = run(why, "--root", root, "192.0.2.7", "--to", "x@elsewhere.test")
    assert "x@elsewhere.test" in told.stdout
    row = json.loads(run(log, "import", "--root", root, "--json", str(LOGS)).stdout)
    assert (row["name"], row["known"]) == ("qmail", 49)


def test_what_cannot_be_imported(root, tmp_path):
    assert run(log, "import", "--root", root, str(tmp_path / "nowhere")).exit_code == 1
    assert run(log, "import", "--root", root, "--name", "../x", str(LOGS)).exit_code == 2
    assert run(log, "import", "--root", root).exit_code == 2
    (tmp_path / "hello").write_text("hello\n")
    assert run(log, "import", "--root", root, str(tmp_path / "hello")).exit_code == 1


@pytest.mark.covers("glass/why")
def test_why_of_the_logs_of_a_qmail_without_import(root):
    done = run(why, "--root", root, "--logs", str(LOGS), "late@remote.test")
    assert done.exit_code == 0
    assert "late@remote.test: waiting (message #195)" in done.stdout
    assert "no other server could be reached" in done.stdout
    assert run(why, "--root", root, "--logs", str(LOGS), "#5").exit_code == 1
    assert run(why, "--root", root, "--logs", "/nowhere", "#5").exit_code == 3
    assert run(log, "import", "--root", root, "--list").stdout == ""


@pytest.mark.covers("glass/log forget")
def test_forget_without_a_server(root):
    assert run(log, "forget", "--root", root, "joe@here.test", input="n\n").exit_code == 1
    done = run(log, "forget", "--root", root, "--yes", "--json", "<Joe@here.test>")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"records": 1, "days": 1, "lines": 1, "files": 1}
    assert run(why, "--root", root, "--no-dns", "joe@here.test").exit_code == 1
    assert run(why, "--root", root, "#5").exit_code == 0
    assert run(log, "forget", "--root", root, "--yes", "joe@here.test").exit_code == 1
    assert run(log, "forget", "--root", root, "--yes", "joe").exit_code == 2
    assert run(log, "forget", "--root", root + "/x", "--yes", "a@b").exit_code == 3


def test_a_running_server(tmp_path):
    site = Site(ONE_USER)
    try:
        site.start()
        site.control("historydays", "36500\n")
        with site.client() as client:
            client.sendmail("boss@src.test", ["tammy@example.test"], b"Subject: x\r\n\r\nx\r\n")
        site.arrived("tammy@example.test")
        until(lambda: site.json("why", "boss@src.test", code=None)[-1].get("state") == "delivered",
              "the delivery is known")  # fmt: skip
        shutil.copytree(LOGS, site.base / "logs")
        (site.base / "logs").chmod(0o755)
        assert "49 of them known" in site.glass("log", "import", str(site.base / "logs"))
        assert "message #194" in site.glass("why", "ABC123")
        done = site.glass("log", "forget", "--yes", "tammy@example.test")
        assert "forgotten in" in done
        rows = site.json("why", "--no-dns", "tammy@example.test", code=1)
        assert rows[0]["kind"] == "nothing"
        assert "tammy" not in "".join(site.log_lines("send"))
        assert any("xxxxx@xxxxxxxxxxxx" in line for line in site.log_lines("send"))
        with site.client() as client:
            client.sendmail("boss@src.test", ["tammy@example.test"], b"Subject: y\r\n\r\ny\r\n")
        site.arrived("tammy@example.test", 2)
        until(lambda: site.json("why", "tammy@example.test", code=None)[0]["kind"] == "session",
              "new mail is known again")  # fmt: skip
    finally:
        site.close()


