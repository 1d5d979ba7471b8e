"""What people are told of a stopped server's queue."""

import fcntl
import json
import os
import socket

import pytest
from click.testing import CliRunner

from glassmail.admin import queue_reading
from glassmail.admin.requests import RequestError
from glassmail.core.model.envelope import Envelope
from glassmail.faces.cli.init import init
from glassmail.faces.cli.queue import queue
from glassmail.faces.compat import qmail_qread, qmail_qstat
from glassmail.settings.place import Place
from glassmail.store.drop import DropWriter
from glassmail.store.queue import reading, schema
from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.reading import opened
from glassmail.store.queue.rows import LOCAL, REMOTE, NewMessage, NewRecipient, Settlement
from glassmail.store.queue.schema import DELIVERED, FAILED, InUseError

BORN = 1_795_187_041  # 20 Nov 2026 15:04:01


@pytest.fixture(autouse=True)
def _umask():
    """The queue process's."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def place(tmp_path):
    root = str(tmp_path / "site")
    made = CliRunner().invoke(init, ["--root", root, "--one-user", "--host", "mx.example.test"])
    assert made.exit_code == 0, made.output
    return Place(root)


def fill(place, count):
    """Leave messages behind as a server does that was stopped; the second one's half done."""
    store = QueueStore(place.queue_db)
    with store.transaction():
        for index in range(count):
            recipients = (
                NewRecipient(b"far@x.test", REMOTE, b"far@x.test"),
                NewRecipient(b"bob@y.test", LOCAL, b"bob@y.test"),
            )
            store.insert([
                NewMessage(
                    store.next_message(), BORN, b"s%d@src.test" % index, 500, 0, 0, "user", 0,
                    b"Received: by us\n", b"Subject: x\n\nbody\n", None, 0, 17, recipients,
                )
            ])  # fmt: skip
        if count > 1:
            store.settle([
                Settlement(2, 0, FAILED, b"no such user"), Settlement(2, 1, DELIVERED, b"")
            ])  # fmt: skip
    store.close()


def hand_in(place):
    writer = DropWriter(place.queue_drop)
    writer.write(b"Subject: x\n\n")
    writer.commit(Envelope(b"a@src.test", (b"tammy@example.test",)))


def glass(place, verb, *words):
    return CliRunner().invoke(queue, [verb, "--root", place.root, *words])


def test_the_list_is_what_the_server_would_tell(place):
    fill(place, 2)
    done = glass(place, "list")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("#1    from <s0@src.test>  33 bytes  ")
    assert lines[1].strip() == "to remote far@x.test: being tried, or due now"
    assert lines[2].strip() == "to local bob@y.test: being tried, or due now"
    assert lines[3].endswith(" bouncing")
    assert [line.strip() for line in lines[4:7]] == [
        "to remote far@x.test: failed", "no such user", "to local bob@y.test: done",
    ]  # fmt: skip
    assert lines[7:] == [
        "2 messages, 66 bytes", "no server runs here: nothing is being tried (glass serve)"
    ]  # fmt: skip
    rows = [json.loads(line) for line in glass(place, "list", "--json").output.splitlines()]
    assert [row["message"] for row in rows] == [1, 2]
    assert [row["bouncing"] for row in rows] == [False, True]


def test_what_was_handed_in_meanwhile_is_counted(place, capfd, monkeypatch):
    fill(place, 1)
    hand_in(place)
    assert glass(place, "list").output.splitlines()[-1] == (
        "1 message handed in meanwhile: the next server takes them in"
    )
    monkeypatch.setenv("GLASSMAIL_ROOT", place.root)
    assert qmail_qstat.main() == 0
    assert capfd.readouterr().out == (
        "messages in queue: 1\nmessages in queue but not yet preprocessed: 1\n"
    )


def test_qmail_qread_lists_it(place, capfd, monkeypatch):
    fill(place, 2)
    monkeypatch.setenv("GLASSMAIL_ROOT", place.root)
    assert qmail_qread.main() == 0
    assert capfd.readouterr().out == (
        "20 Nov 2026 15:04:01 GMT  #1  33  <s0@src.test> \n"
        "\tlocal\tbob@y.test\n\tremote\tfar@x.test\n"
        "20 Nov 2026 15:04:01 GMT  #2  33  <s1@src.test>  bouncing\n"
        "  done\tlocal\tbob@y.test\n  done\tremote\tfar@x.test\n"
    )


def test_one_message_and_the_sums(place):
    fill(place, 2)
    done = glass(place, "show", "1")
    assert done.exit_code == 0
    assert done.output.endswith("\nReceived: by us\nSubject: x\n")
    missing = glass(place, "show", "9")
    assert (missing.exit_code, missing.stderr) == (
        1, "glass queue: there is no message 9 in the queue\n"
    )  # fmt: skip
    assert "x.test" in glass(place, "list", "--by", "destination").output


def test_page_after_page(place, monkeypatch):
    fill(place, 7)
    monkeypatch.setattr(queue_reading, "PAGE", 2)
    assert [row["message"] for row in queue_reading.messages(place)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_change_needs_the_server(place):
    fill(place, 1)
    done = glass(place, "hold", "1")
    assert done.exit_code == 3
    assert "is it running? (glass status)" in done.stderr


def test_a_server_that_does_not_answer_is_not_gone_round(place):
    fill(place, 1)
    with open(place.supervisor_pid, "w", encoding="ascii") as file:
        file.write("4711\n")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RequestError, match="its queue does not answer: glass status"):
            list(queue_reading.messages(place))


def test_a_site_that_never_ran_has_an_empty_queue(place):
    hand_in(place)
    assert glass(place, "list").output.splitlines() == [
        "no messages wait", "no server runs here: nothing is being tried (glass serve)",
        "1 message handed in meanwhile: the next server takes them in",
    ]  # fmt: skip
    assert not os.path.exists(place.queue_db)


def test_what_cannot_be_read_is_told(place):
    with open(place.queue_db, "wb") as file:
        file.write(b"no database" * 1_000)
    with pytest.raises(RequestError, match="see `glass queue check`"):
        list(queue_reading.messages(place))


def test_nobody_listens_where_a_socket_was_left(place):
    fill(place, 1)
    left = socket.socket(socket.AF_UNIX)
    left.bind(place.queue_socket)
    left.close()
    assert [row["message"] for row in queue_reading.messages(place)] == [1]


def test_reading_changes_nothing(place):
    fill(place, 3)
    before = {name: os.stat(place.path("queue", name)).st_mtime_ns
              for name in os.listdir(place.path("queue"))}  # fmt: skip
    with open(place.queue_db, "rb") as file:
        data = file.read()
    assert len(list(queue_reading.messages(place))) == 3
    with open(place.queue_db, "rb") as file:
        assert file.read() == data
    after = {name: os.stat(place.path("queue", name)).st_mtime_ns
             for name in os.listdir(place.path("queue"))}  # fmt: skip
    assert {name: after.get(name) for name in before} == before


def test_an_empty_log_without_its_database_is_nobodys_mail(place):
    """SQLite leaves one beside a database that was only read."""
    fill(place, 1)
    assert len(list(queue_reading.messages(place))) == 1
    os.rename(place.queue_db, place.queue_db + ".away")
    with open(place.queue_db + "-wal", "wb"):
        pass
    assert glass(place, "check").output == "the queue is whole: 0 messages\n"
    with open(place.queue_db + "-wal", "wb") as file:
        file.write(b"frames")
    assert "its write-ahead log is there: put it back" in glass(place, "check").output


def test_a_file_system_that_is_read_only(place, monkeypatch):
    fill(place, 2)
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    assert len(list(queue_reading.messages(place))) == 2
    assert not os.path.exists(place.queue_db + "-shm")


def test_whoever_reads_is_waited_for(place, monkeypatch):
    fill(place, 1)
    monkeypatch.setattr(schema, "BUSY_TIMEOUT_MS", 50)
    with opened(place.queue_db) as queue_of_it:
        assert queue_of_it.count_messages() == 1
        with pytest.raises(InUseError, match="another process reads it"):
            QueueStore(place.queue_db)
    store = QueueStore(place.queue_db)
    monkeypatch.setattr(reading, "BUSY_TIMEOUT_MS", 50)
    with pytest.raises(RequestError, match="a server opens it just now"):
        list(queue_reading.messages(place))
    store.close()
