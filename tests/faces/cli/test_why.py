"""`glass why` and `glass log` on the files of a stopped site."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassmail.core.formats.tai64n import label
from glassmail.core.model import code as codes
from glassmail.events import codec
from glassmail.explain import log_lines
from glassmail.faces.cli.log import log
from glassmail.faces.cli.why import why
from glassmail.store.history.writer import History
from glassmail.store.multilog import LogDirectory
from tests.store.history.story import NOON, S, delivered, refused

pytestmark = pytest.mark.covers("glass/why")


@pytest.fixture
def root(tmp_path):
    now = NOON + 60 * S
    history = History(str(tmp_path / "history"), 30, lambda: now)
    for number in (5, 6):
        events = delivered(NOON + number * S, number, code=1000 + number)
        assert history.takes_fact(1, number - 4)
        history.add_fact(number - 4, codec.encode(events), events)
    event = refused(NOON, code=2000)
    history.add_events(codec.encode([event]), [event])
    history.close()
    (tmp_path / "control").mkdir()
    directory = LogDirectory(str(tmp_path / "log" / "send"), 4_096, 5, clock=lambda: now)
    directory.write([label(NOON + n * S) + b" end msg %d\n" % n for n in range(5)])
    directory.close()
    for name in ("smtpd", "serve"):
        LogDirectory(str(tmp_path / "log" / name), 4_096, 5).close()
    return str(tmp_path)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def run(command, *words):
    return CliRunner().invoke(command, words)


def test_one_match_is_a_story(root):
    done = run(why, "--root", root, "#5")
    assert done.exit_code == 0
    assert done.stdout.startswith("message #5  ")
    assert "joe@here.test: delivered (message #5)" in done.stdout
    assert "\x1b" not in done.stdout


def test_several_matches_are_a_table(root):
    done = run(why, "--root", root, "joe@here.test")
    assert done.exit_code == 0
    assert done.stdout.startswith("2 matches for joe@here.test, newest first")


def test_json_lines(root):
    done = run(why, "--root", root, "--json", "#5")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[0]["kind"] == "session"
    assert rows[-1]["kind"] == "verdict"


def test_nothing_found_is_exit_1_and_tells_the_span(root):
    done = run(why, "--root", root, "--no-dns", "x@nowhere.test")
    assert done.exit_code == 1
    assert "the history covers 2026-11-20 12:00:00 to 2026-11-20 12:01:00" in done.stdout
    done = run(why, "--root", root, "--no-dns", "--json", "x@nowhere.test")
    assert done.exit_code == 1
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds == ["nothing", "nearby"]


def test_pasted_words_and_standard_input(root):
    done = run(why, "--root", root, "end", "msg", "5")
    assert "read as qmail-send's log line" in done.stdout
    assert "message #5" in done.stdout
    line = "starting delivery 6: msg 6 to local x\n"
    done = CliRunner().invoke(why, ["--root", root, "-"], input=line)
    assert "message #6" in done.stdout
    done = run(why, "--root", root, "--from", "a@src.test", "--to", "joe@here.test", "--json")
    assert json.loads(done.stdout.splitlines()[-1])["count"] == 2
    done = run(why, "--root", root, "--no-dns", "--to", "joe@here.test", "--from", "@other.test")
    assert done.exit_code == 1


def test_a_header_is_a_table_with_its_story(root):
    header = (
        "Received: (qmail 5 invoked from network); 20 Nov 2026 12:00:05 -0000\n"
        "Received: from mx.src.test (192.0.2.7)\n  by mx.here.test with SMTP (trace "
        f"{codes.render(1005).decode()}/1); 20 Nov 2026 12:00:05 -0000\n"
        "Received: by pc.src.test; 20 Nov 2026 11:58:00 -0000\nSubject: x\n\nbody\n"
    )
    done = CliRunner().invoke(why, ["--root", root], input=header)
    assert done.exit_code == 0
    assert "can vouch for" in done.stdout
    assert "joe@here.test: delivered (message #5)" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    rows = CliRunner().invoke(why, ["--root", root, "--json"], input=header).stdout.splitlines()
    assert [json.loads(row)["kind"] for row in rows[:4]] == ["hop", "hop", "hop", "reading"]


def test_an_error_text_means_something_though_nothing_is_known(root):
    done = run(why, "--root", root, "--no-dns", "X-Qmail-Scanner: [17] parent process died")
    assert done.exit_code == 1
    assert "what such a text means" in done.stdout
    assert "Nothing was accepted" in " ".join(done.stdout.split())


def test_since_and_until(root):
    assert run(why, "--root", root, "joe@here.test", "--since", "2026-11-20 12:00:06").stdout[
        :11
    ] == ("message #6 ")
    assert run(why, "--root", root, "joe@here.test", "--until", "2026-11-19").exit_code == 1


def test_usage_is_exit_2(root):
    assert run(why, "--root", root, "joe!").exit_code == 2
    assert run(why, "--root", root, "a@b", "--since", "soon").exit_code == 2


def test_what_cannot_be_read_is_exit_3(root):
    done = run(why, "--root", os.path.join(root, "nowhere"), "a@b")
    assert done.exit_code == 3
    assert "no such site" in done.stderr
    done = run(why, "--root", os.path.join(root, "log"), "a@b")  # a directory, but no site
    assert (done.exit_code, done.stdout) == (3, "")
    assert "no such site: name it by --root" in done.stderr
    path = os.path.join(root, "history", "2026-11-20.db")
    with open(path, "wb") as file:
        file.write(b"garbage " * 1_000)
    done = run(why, "--root", root, "#5")
    assert done.exit_code == 3
    assert path in done.stderr


@pytest.mark.covers("glass/log tail")
def test_log_tail(root):
    done = run(log, "tail", "--root", root, "-n", "2")
    assert done.exit_code == 0
    assert done.stdout == ("2026-11-20 12:00:03.000 end msg 3\n2026-11-20 12:00:04.000 end msg 4\n")
    assert run(log, "tail", "--root", root, "-n", "1", "--raw").stdout == (
        label(NOON + 4 * S).decode() + " end msg 4\n"
    )
    row = json.loads(run(log, "tail", "--root", root, "-n", "1", "--json").stdout)
    assert row == {"time": "2026-11-20T12:00:04.000000Z", "log": "send", "line": "end msg 4"}


@pytest.mark.covers("glass/log grep")
def test_log_grep(root):
    found = run(log, "grep", "--root", root, "msg 3").stdout
    assert found == "2026-11-20 12:00:03.000 send  end msg 3\n"  # of several logs
    assert run(log, "grep", "--root", root, "msg 3", "send").stdout == (
        "2026-11-20 12:00:03.000 end msg 3\n"
    )
    assert run(log, "grep", "--root", root, "MSG 3").exit_code == 1
    assert run(log, "grep", "--root", root, "-i", "MSG 3", "send").exit_code == 0
    words = ["--root", root, "-e", "msg [12]$", "--since", "2026-11-20 12:00:02", "send"]
    done = run(log, "grep", *words)
    assert done.stdout == "2026-11-20 12:00:02.000 end msg 2\n"
    assert run(log, "grep", "--root", root, "-e", "(").exit_code == 2
    assert "PATTERN '[': " in run(log, "grep", "--root", root, "-e", "[").stderr


@pytest.mark.parametrize("words", [("tail", "-n", "9999"), ("grep", "msg")])
def test_a_reader_that_has_enough_is_no_trouble(root, words):
    path = Path(root) / "log" / "send" / "current"
    path.write_bytes(path.read_bytes() * 4_000)  # more than a pipe holds
    command = [sys.executable, "-m", "glassmail.faces.cli", "log", *words, "--root", str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_a_log_that_is_not_there_is_exit_3(root):
    done = run(log, "tail", "--root", os.path.join(root, "nowhere"))
    assert done.exit_code == 3
    assert "no such site: name it by --root" in done.stderr
    shutil.rmtree(Path(root) / "log" / "send")
    done = run(log, "tail", "--root", root)
    assert done.exit_code == 3
    assert "the server makes it when it starts (glass serve)" in done.stderr


def test_a_log_that_is_closed_to_the_caller_names_who_may_read_it(root, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(errno.EACCES, "Permission denied", "log/send")

    monkeypatch.setattr(log_lines, "last", refuse)
    done = run(log, "tail", "--root", root)
    assert done.exit_code == 3
    assert "log/send: Permission denied: ask as root or as the owner of the logs" in done.stderr
