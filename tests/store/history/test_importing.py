import gzip
import os
import shutil
import socket
import subprocess
import time

import pytest

from glassmail.events import codec
from glassmail.events.case import NearQuery, Query
from glassmail.events.queue import Accepted
from glassmail.store.history import everywhere
from glassmail.store.history.importing import LINE_BYTES_MAX, build, logs_in
from glassmail.store.history.schema import HistoryError
from glassmail.store.history.writer import History
from tests.house.sources import PROJECT
from tests.scenarios.site import free_ports
from tests.scenarios.waiting import until
from tests.shared import SAMPLES
from tests.store.history.story import DAY, NOON, S, delivered

LOGS = PROJECT / "tests" / "data" / "logs"


def found(directory, **query):
    head, cases = everywhere.search(str(directory), Query(**query))
    return head.count, cases


def multilog(directory, data, pieces=1):
    """A multilog directory with finished files and current."""
    directory.mkdir(parents=True)
    lines = data.splitlines(keepends=True)
    step = len(lines) // pieces + 1
    for number in range(0, len(lines) - step, step):
        name = lines[number][:25].decode() + ".s"
        (directory / name).write_bytes(b"".join(lines[number : number + step]))
        rest = number + step
    (directory / "current").write_bytes(b"".join(lines[rest:] if pieces > 1 else lines))
    (directory / "lock").write_bytes(b"")


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "log").write_bytes((LOGS / "qmail-send.log").read_bytes())
    assert [path.rpartition("/")[2] for path in logs_in(str(tmp_path))] == ["log"]
    with pytest.raises(OSError, match="neither a file nor a directory"):
        build(str(tmp_path / "out"), [str(tmp_path / "pipe")], NOON + DAY)
    (tmp_path / "multi").mkdir()
    os.mkfifo(tmp_path / "multi" / "current")
    assert build(str(tmp_path / "out"), [str(tmp_path / "multi")], NOON + DAY).lines == 0


def test_a_damaged_gzip_file_is_named(tmp_path):
    whole = gzip.compress((LOGS / "qmail-send.log").read_bytes())
    for damaged in (whole[:200] + b"XXXX" + whole[204:], whole[:500], whole[:-1], whole[:4]):
        (tmp_path / "a.gz").write_bytes(damaged)
        with pytest.raises(HistoryError, match=r"a\.gz: damaged"):
            build(str(tmp_path / "out"), [str(tmp_path / "a.gz")], NOON + DAY)


def test_a_line_without_end_is_cut(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * 3 * LINE_BYTES_MAX + b"\nend msg 5\n" + b"y" * LINE_BYTES_MAX)
    done = build(str(tmp_path / "out"), [str(log)], NOON + DAY)
    assert (done.lines, done.untimed) == (3, 1)


@pytest.mark.covers("glass/log import")
def test_multilog_directories_are_found_and_read(tmp_path):
    base = tmp_path / "var" / "log" / "qmail"
    multilog(base / "qmail-send", (LOGS / "qmail-send.log").read_bytes(), 3)
    multilog(base / "qmail-smtpd", (LOGS / "qmail-smtpd.log").read_bytes())
    assert [path.rpartition("/")[2] for path in logs_in(str(base))] == ["qmail-send", "qmail-smtpd"]
    done = build(str(tmp_path / "out"), [str(base)], NOON + DAY)
    assert (done.lines, done.known, done.untimed, done.days) == (49, 49, 0, 1)
    count, (case,) = found(tmp_path / "out", kinds=("address",), text="ann@virt.test")
    assert count == 1
    assert case.message == 176
    count, (case,) = found(tmp_path / "out", kinds=("remote_id",), text="ABC123")
    assert case.message == 194
    assert found(tmp_path / "out", kinds=("message",), number=176)[0] == 1
    count, (case,) = found(tmp_path / "out", kinds=("client",), text="203.0.113.5")
    assert count == 1
    near, visits = everywhere.visits(
        str(tmp_path / "out"), NearQuery(("192.0.2.0 192.0.2.255",), ())
    )
    assert (near.sessions, visits[0].refused) == (3, 1)
    assert near.coverage.first == done.first


def test_gzipped_files_and_files_one_by_one(tmp_path):
    lines = (LOGS / "qmail-send.log").read_bytes().splitlines(keepends=True)
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"".join(lines[:20])))
    (tmp_path / "a").write_bytes(b"".join(lines[20:]))
    sources = [str(tmp_path / "a"), str(tmp_path / "b.gz")]  # their first times order them
    done = build(str(tmp_path / "out"), sources, NOON + DAY)
    assert done.known == 39
    address = "postmaster@oracle.example.test"
    _count, cases = found(tmp_path / "out", kinds=("address",), text=address)
    assert [case.message for case in cases] == [176]  # the bounce is told with its message


def test_syslog_lines_and_lines_without_time(tmp_path):
    path = tmp_path / "maillog"
    path.write_bytes(
        b"Nov 20 12:00:01 mx qmail: 1795176001.000001 new msg 5\n"
        b"Nov 20 12:00:01 mx qmail: 1795176001.000002 info msg 5: bytes 9 from <a@b> qp 1 uid 0\n"
        b"Nov 20 12:00:02 mx sshd[9]: hello\n"
        b"end msg 7\n"
        b"Nov 20 12:00:03 mx qmail: 1795176003.000001 end msg 5\n"
    )
    done = build(str(tmp_path / "out"), [str(path)], NOON + DAY)
    assert (done.lines, done.known, done.untimed, done.events) == (5, 3, 1, 2)


def test_old_days_are_left_out_and_a_failure_leaves_the_old_import(tmp_path):
    out = tmp_path / "out"
    build(str(out), [str(LOGS / "qmail-send.log")], NOON + DAY)
    done = build(str(tmp_path / "none"), [str(LOGS / "qmail-send.log")], NOON, 30_000)
    assert (done.events, done.days) == (0, 0)
    assert done.left_out > 20
    with pytest.raises(FileNotFoundError):
        build(str(out), [str(tmp_path / "nowhere")], NOON)
    assert found(out, kinds=("message",), number=194)[0] == 1
    assert not (tmp_path / "out.fresh").exists()


def test_numbers_of_an_import_do_not_mix_with_ours(tmp_path):
    now = NOON + 3_600 * S
    history = History(str(tmp_path), 30, lambda: now)
    for number, event in enumerate(delivered(now, 194), 1):
        history.takes_fact(1, number)
        history.add_fact(number, codec.encode([event]), [event])
    history.close()
    build(str(tmp_path / "imported" / "old"), [str(LOGS / "qmail-send.log")], now)
    count, cases = found(tmp_path, kinds=("message",), number=194)
    assert count == 2
    assert cases[0].at > cases[1].at
    head, _cases = everywhere.search(str(tmp_path), Query(("message",), number=1))
    assert head.coverage.first < head.coverage.last
    assert head.coverage.gaps  # between the import's last line and our own first hour
    shutil.rmtree(tmp_path / "imported")
    assert found(tmp_path, kinds=("message",), number=194)[0] == 1


def test_imports_are_swept_like_the_other_days(tmp_path):
    build(str(tmp_path / "imported" / "old"), [str(LOGS / "qmail-send.log")], NOON)
    history = History(str(tmp_path), 30, lambda: NOON + 20 * DAY)
    history.close()
    assert found(tmp_path, kinds=("message",), number=194)[0] == 1
    history = History(str(tmp_path), 30, lambda: NOON + 40 * DAY)
    history.close()
    assert found(tmp_path, kinds=("message",), number=194)[0] == 0
    assert not (tmp_path / "imported" / "old").exists()


SEND_LOGS = sorted(SAMPLES.glob("send-log-*.txt"))


@pytest.mark.skipif(not SEND_LOGS, reason="the logs of a real qmail are not beside the checkout")
def test_logs_of_a_real_qmail(tmp_path):
    done = build(str(tmp_path / "out"), [str(path) for path in SEND_LOGS], NOON + DAY)
    assert done.lines == done.known > 400
    assert done.untimed == 0
    _count, (case,) = found(tmp_path / "out", kinds=("address",), text="rcpt5@remote.test")
    events = codec.decode(case.events)
    accepted = [event for event in events if isinstance(event, Accepted)]
    assert [event.kind for event in accepted] == ["network", "bounce"]
    assert accepted[1].origin == accepted[0].message
    _count, (case,) = found(tmp_path / "out", kinds=("address",), text="list@virt.test")
    kinds = [e.kind for e in codec.decode(case.events) if isinstance(e, Accepted)]
    assert kinds == ["network", "forward", "forward"]
    assert found(tmp_path / "out", kinds=("message",), number=1614184)[0] == 5  # one inode


@pytest.mark.skipif(
    not (shutil.which("multilog") and shutil.which("tcpserver")),
    reason="Debian's daemontools and ucspi-tcp are not installed",
)
def test_multilog_and_tcpserver_themselves(tmp_path):
    """tcpserver talks into multilog, which rotates; the sessions are known again."""
    (port,) = free_ports(1)
    words = f"tcpserver -v -R -H -l mx.example.test 127.0.0.1 {port}".split()
    server = subprocess.Popen([*words, "echo", "220 hi"], stderr=subprocess.PIPE)
    logger = subprocess.Popen(["multilog", "t", "s4096", "n20", f"{tmp_path}/smtpd"],
                              stdin=server.stderr)  # fmt: skip
    server.stderr.close()
    try:
        for number in range(60):
            until(lambda: _says_hello(port, f"127.0.0.{number + 2}"), "tcpserver answers")  # noqa: B023
    finally:
        server.terminate()
        server.wait(10)
        assert logger.wait(10) == 0  # it ends with its input
    assert len(list((tmp_path / "smtpd").glob("@*"))) >= 1
    done = build(str(tmp_path / "out"), [str(tmp_path)], time.time_ns())
    assert done.lines == done.known > 240
    near, visits = everywhere.visits(
        str(tmp_path / "out"), NearQuery(("127.0.0.0 127.0.0.255",), ())
    )
    assert near.clients == len(visits) == 60
    assert {visit.client for visit in visits} >= {"127.0.0.2", "127.0.0.61"}


def _says_hello(port, source):
    try:
        with socket.create_connection(("127.0.0.1", port), 5, (source, 0)) as sock:
            return sock.recv(100) == b"220 hi\n"
    except OSError:
        return False
