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
from glassmail.store.queue.database import QueueStore
from glassmail.store.queue.rows import LOCAL, REMOTE, NewMessage, NewRecipient, Settlement
from glassmail.store.queue.schema import DELIVERED, FAILED

BORN = 1_795_187_041  # 20 Nov 2026 15:04:01


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
        "1 message more handed in meanwhile, for the next one"
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
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RequestError, match="starts or stops"):
            list(queue_reading.messages(place))


def test_a_database_in_use_or_damaged_is_told(place, monkeypatch):
    with pytest.raises(RequestError, match="is it running"):  # it never ran: there is none
        list(queue_reading.messages(place))
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
