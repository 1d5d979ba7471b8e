"""The log process with other settings: stamps, records, processors, syslog, journal."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from glassmail.events import codec
from glassmail.events.process import ChildStarted
from glassmail.events.stamps import read_local
from glassmail.net.messages import Tell
from tests.daemons.test_log import LogSite, facts
from tests.events.test_journal_fields import fields
from tests.store.history.story import delivered, refused


class Settings:
    """A site whose log process is started once the control files are written."""

    def __init__(self, root):
        self.root = Path(root)
        (self.root / "control").mkdir(parents=True)
        self.site = None

    def write(self, **files):
        for name, text in files.items():
            (self.root / "control" / name).write_text(text)

    def start(self):
        made = LogSite.__new__(LogSite)
        from glassmail.settings.place import Place

        made.place, made.peers, made.pid = Place(str(self.root)), [], 0
        os.makedirs(made.place.path("run"), exist_ok=True)
        made.start()
        self.site = made
        return made

    def tell_all(self):
        """A message, a refusal and a process; until the message is durable."""
        now = time.time_ns()
        queue, smtpd = self.site.peer("queue"), self.site.peer("smtpd")
        smtpd.send(Tell(codec.encode([refused(now, code=1000), ChildStarted(now, "x", 7)])))
        queue.send(facts(delivered(now, 5, code=1001)))
        while queue.receive().last < 1:
            pass

    def read(self, name):
        return (self.root / "log" / name / "current").read_bytes().splitlines()


@pytest.fixture
def settings(tmp_path):
    made = Settings(tmp_path / "site")
    yield made
    if made.site is not None:
        made.site.close()


def receiver(path):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(path))
    made.settimeout(10)
    return made


def received(sock):
    sock.settimeout(0.2)
    found = []
    try:
        while True:
            found.append(sock.recv(65_536))
    except TimeoutError:
        return found


@pytest.mark.covers("control/logstamp")
@pytest.mark.parametrize("stamp", ["tai64nlocal", "none"])
def test_stamps(settings, stamp):
    settings.write(logstamp=stamp + "\n")
    settings.start()
    settings.tell_all()
    assert settings.site.end() == 0
    lines = settings.read("send")
    if stamp == "tai64nlocal":
        lines = [read_local(line)[1][1:] for line in lines]
    assert lines[0] == b"new msg 5"
    assert lines[-1] == b"end msg 5"


@pytest.mark.covers("control/logrecords")
def test_records(settings):
    settings.write(logrecords="json")
    settings.start()
    settings.tell_all()
    assert settings.site.end() == 0
    rows = [json.loads(line) for line in settings.read("records")]
    assert sorted(row["record"] for row in rows) == ["delivery", "end", "message", "refused"]


@pytest.mark.covers("control/logto")
def test_syslog_and_journal_beside_files(settings):
    with receiver(settings.root / "s") as syslog, receiver(settings.root / "j") as journal:
        settings.write(
            logto=f"files\nsyslog 16 {settings.root}/s\njournal {settings.root}/j\n"
        )
        settings.start()
        settings.tell_all()
        assert settings.site.end() == 0
        said, entries = received(syslog), [fields(data) for data in received(journal)]
    assert sum(b" qmail: " in line and line.endswith(b" end msg 5") for line in said) == 1
    assert sum(b" smtpd: " in line and b" refused " in line for line in said) == 1
    assert all(line.startswith(b"<134>") for line in said)
    (end,) = [e for e in entries if e["MESSAGE"] == b"end msg 5"]
    assert (end["GLASSMAIL_EVENT"], end["GLASSMAIL_MESSAGE"]) == (b"ended", b"5")
    assert len(settings.read("send")) == sum(b" qmail: " in line for line in said)
    assert len(settings.read("serve")) == 1


def test_without_files_only_news_of_processes_is_filed(settings):
    settings.write(logto=f"syslog {settings.root}/nobody\n")
    settings.start()
    settings.tell_all()
    assert settings.site.end() == 0
    assert sorted(p.name for p in (settings.root / "log").iterdir()) == ["serve"]
    serve = b"\n".join(settings.read("serve"))
    assert b"x started as process 7" in serve
    assert b"alert: log: " in serve
    assert b"No such file or directory: log lines are lost there" in serve


@pytest.mark.covers("control/logprocessor")
def test_a_processor_of_one_log(settings):
    settings.write(logsize="4096", logprocessor="send:tr a-z A-Z\n")
    settings.start()
    for _ in range(3):
        now = time.time_ns()
        queue = settings.site.peer("queue")
        batches = [delivered(now, n) for n in range(40)]
        queue.send(facts(*batches, store=now % 10_000))
        while queue.receive().last < 40:
            pass
    done = []
    end = time.monotonic() + 10
    while not done and time.monotonic() < end:
        done = [p for p in (settings.root / "log" / "send").iterdir() if p.name.startswith("@")]
        time.sleep(0.01)
    assert b" END MSG " in done[0].read_bytes()
    assert settings.site.end() == 0


@pytest.mark.parametrize(
    "files",
    [{"logto": "file\n"}, {"logstamp": "iso\n"}, {"logrecords": "xml\n"},
     {"logprocessor": "x:y\n"}, {"metrics": "0.0.0.0:9154\n"}],
)  # fmt: skip
def test_a_setting_that_cannot_be_obeyed_ends_the_start(settings, files, capfd):
    settings.write(**files)
    settings.start()
    _pid, status = os.waitpid(settings.site.pid, 0)
    settings.site.pid = 0
    assert os.waitstatus_to_exitcode(status) == 111
    assert f"log: cannot start: control/{next(iter(files))}:1" in capfd.readouterr().err
    os.close(settings.site.death_read)
    os.close(settings.site.death_write)


def test_metrics_that_cannot_be_served_are_told_and_nothing_else_suffers(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        settings.write(metrics=place + "\n")
        settings.start()
        settings.tell_all()
        assert settings.site.end() == 0
    (line,) = [line for line in settings.read("serve") if b"metrics" in line]
    text = f"the metrics cannot be served at {place}: "
    assert text.encode() in line
    assert len(settings.read("send")) > 3


def test_a_killed_log_with_a_running_processor_goes_on(settings):
    settings.write(logsize="4096", logprocessor="send:sleep 60\n")
    settings.start()
    queue = settings.site.peer("queue")
    now = time.time_ns()
    queue.send(facts(*[delivered(now, n) for n in range(40)]))
    while queue.receive().last < 40:
        pass
    end = time.monotonic() + 10
    previous = settings.root / "log" / "send" / "previous"
    while not previous.exists() and time.monotonic() < end:
        time.sleep(0.01)
    settings.site.end(signal.SIGKILL)
    kept = previous.read_bytes()
    settings.write(logprocessor="send:cat\n")
    settings.site.start()
    end = time.monotonic() + 10
    while not list(previous.parent.glob("@*.s")) and time.monotonic() < end:
        time.sleep(0.01)
    assert kept in [path.read_bytes() for path in previous.parent.glob("@*.s")]


def test_a_log_directory_that_cannot_be_opened_delays_nothing(settings):
    (settings.root / "log").mkdir()
    (settings.root / "log" / "send").write_text("a file where the directory should be")
    settings.start()
    settings.tell_all()  # the facts are durable in the history
    assert any(line.endswith(b"session") or b"refused" in line for line in settings.read("smtpd"))
    serve = wait_for(lambda: settings.read("serve"))
    assert any(b"/log/send cannot be written: Not a directory: lines wait" in line
               for line in serve)  # fmt: skip
    (settings.root / "log" / "send").unlink()
    lines = wait_for(lambda: (settings.root / "log" / "send").is_dir() and settings.read("send"))
    assert lines[0].endswith(b"new msg 5")
    assert lines[-1].endswith(b"end msg 5")
    wait_for(lambda: settings.read("serve")[-1].endswith(b"/log/send can be written again"))


def wait_for(condition):
    end = time.monotonic() + 10
    while True:
        try:
            found = condition()
        except FileNotFoundError:
            found = None
        if found:
            return found
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
