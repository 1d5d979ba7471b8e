"""The small helpers: qreceipt, qbiff, mailsubj, datemail, predate, tcp-env, and what was left."""

import ast
import contextlib
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import tty
from pathlib import Path

import pytest

from glassmail.faces.compat import mailsubj, predate, qbiff, tcp_env
from glassmail.faces.compat.catalogue import COMMANDS
from tests.faces.compat.command import arguments, environment, make_site, run
from tests.faces.compat.fake_queue import FakeQueue
from tests.faces.compat.test_own_programs import MESSAGE, said
from tests.faces.compat.test_own_programs import run as run_own

DATE = rb"Date: \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\n"


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


def test_options_are_those_that_the_modules_read():
    sources = Path(mailsubj.__file__).parent
    for command in COMMANDS:
        letters = {name[1] for name in command.options if re.fullmatch(r"-\w", name)}
        path = sources / (command.name.replace("-", "_") + ".py")
        if letters and path.exists():
            texts = [
                node.value for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, bytes | str)
            ]  # fmt: skip
            flat = [os.fsdecode(text) for text in texts]
            read = [text for text in flat if letters <= set(text) and len(text) < 30]
            assert read or command.name == "preline", command.name


# --- own programs: the exit codes that their other tests do not reach ---


@pytest.mark.covers("forward/exit 111")
def test_forward_while_the_queue_says_later(root):
    program = root / "later"
    program.write_text("#!/bin/sh\ncat >/dev/null\nexit 71\n")
    program.chmod(0o755)
    done = run_own(root, "forward", "a@x.test", QMAILQUEUE=str(program))
    assert done.returncode == 111
    assert done.stderr.startswith(b"forward: fatal: mail server temporarily rejected message")


@pytest.mark.covers("condredirect/exit 111", "bouncesaying/exit 111", "preline/exit 111")
def test_temporary_answers_stay_temporary(root):
    later = ("sh", "-c", "exit 111")
    text = b"condredirect: fatal: temporary child error\n"
    assert said(run_own(root, "condredirect", "a@x.test", *later)) == (111, b"", text)
    text = b"bouncesaying: fatal: temporary child error\n"
    assert said(run_own(root, "bouncesaying", "No.", *later)) == (111, b"", text)
    done = run_own(root, "preline", "sh", "-c", "kill -9 $$")
    assert (done.returncode, done.stderr) == (111, b"preline: fatal: child crashed\n")


# --- predate, datemail, mailsubj ---


@pytest.mark.covers("command/predate", "predate/exit 0")
def test_predate(root):
    done = run("predate", root, "cat", message=MESSAGE, TZ="Europe/Berlin")
    assert done.returncode == 0
    assert re.fullmatch(DATE + re.escape(MESSAGE), done.stdout)
    assert run("predate", root, "sh", "-c", "exit 7", message=MESSAGE).returncode == 7


@pytest.mark.parametrize(("zone", "text"), [("XYZ-5:30", b"+0530"), ("XYZ3", b"-0300")])
def test_the_zone_of_predate(root, zone, text):
    done = run("predate", root, "cat", message=MESSAGE, TZ=zone)
    assert done.stdout.split(b"\n")[0].endswith(text)


@pytest.mark.covers("predate/exit 100", "predate/exit 111")
def test_predate_without_a_program(root):
    done = run("predate", root, message=MESSAGE)
    assert (done.returncode, done.stderr) == (100, b"predate: usage: predate child\n")
    done = run("predate", root, "nothing-like-it", message=MESSAGE)
    text = b"predate: fatal: unable to run nothing-like-it: file does not exist\n"
    assert (done.returncode, done.stderr) == (111, text)
    done = run("predate", root, "sh", "-c", "kill -9 $$", message=MESSAGE)
    assert (done.returncode, done.stderr) == (111, b"predate: fatal: child crashed\n")


@pytest.mark.covers("command/datemail", "datemail/exit 0")
def test_datemail(root):
    with FakeQueue(root) as queue:
        done = run("datemail", root, "-fme@y.test", "to@x.test", message=MESSAGE)
    assert (done.returncode, done.stderr) == (0, b"")
    ((enqueue, body),) = queue.taken
    assert (enqueue.sender, enqueue.recipients) == (b"me@y.test", (b"to@x.test",))
    assert re.search(rb"\n" + DATE, body)


@pytest.mark.covers("command/mailsubj", "mailsubj/exit 0")
def test_mailsubj(root):
    with FakeQueue(root) as queue:
        done = run("mailsubj", root, "hello you", "a@x.test", "b@x.test", message=b"text\n")
    assert (done.returncode, done.stderr) == (0, b"")
    ((enqueue, body),) = queue.taken
    assert set(enqueue.recipients) == {b"a@x.test", b"b@x.test"}
    assert b"\nSubject: hello you\nTo: a@x.test, b@x.test\n\ntext\n" in body


@pytest.mark.covers("mailsubj/exit 100")
def test_mailsubj_needs_a_recipient(root):
    assert run("mailsubj", root, "hello").returncode == 100


def test_a_subject_of_two_lines_stays_one_field(root):
    with FakeQueue(root) as queue:
        run("mailsubj", root, "one\nBcc: x@x.test", "a@x.test", message=b"text\n")
    ((enqueue, _body),) = queue.taken
    assert enqueue.recipients == (b"a@x.test",)


# --- qreceipt ---

ASKING = b"Notice-Requested-Upon-Delivery-To: (me) Joe@X.test, b@y.test\nMessage-ID: <7@y>\n"


@pytest.mark.covers("command/qreceipt", "qreceipt/$SENDER", "qreceipt/exit 0")
def test_qreceipt(root):
    with FakeQueue(root) as queue:
        done = run("qreceipt", root, "joe@x.test", message=ASKING + MESSAGE, SENDER="s@z.test")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    ((enqueue, body),) = queue.taken
    assert (enqueue.sender, enqueue.recipients) == (b"", (b"s@z.test",))
    assert b"\nTo: <s@z.test>\nSubject: success notice\n" in body
    assert b"joe@x.test" in body
    assert b"<7@y>" in body


def test_when_qreceipt_sends_nothing(root):
    with FakeQueue(root) as queue:
        for message, sender in (
            (MESSAGE, "s@z.test"), (ASKING + b"\n", ""), (ASKING + b"\n", "#@[]"),
            (ASKING.replace(b"Joe@X", b"jim@x") + b"\n", "s@z.test"),
        ):  # fmt: skip
            done = run("qreceipt", root, "joe@x.test", message=message, SENDER=sender)
            assert (done.returncode, done.stderr) == (0, b"")
    assert queue.taken == []


@pytest.mark.covers("qreceipt/exit 100", "qreceipt/exit 111")
def test_what_qreceipt_refuses(root):
    done = run("qreceipt", root, message=MESSAGE, SENDER="s@z.test")
    assert (done.returncode, done.stderr) == (100, b"qreceipt: usage: qreceipt deliveryaddress\n")
    done = run("qreceipt", root, "joe@x.test", message=ASKING + b"\n")
    assert (done.returncode, done.stderr) == (100, b"qreceipt: fatal: SENDER not set\n")
    with FakeQueue(root, answer=("Z", 53, b"")):
        done = run("qreceipt", root, "joe@x.test", message=ASKING + b"\n", SENDER="s@z.test")
    assert (done.returncode, done.stderr[:16]) == (111, b"qreceipt: fatal:")


# --- qbiff ---


def utmp_record(kind, line, user):
    return struct.pack("<hxxi32s4s32s", kind, 1, line, b"1", user).ljust(384, b"\0")


@pytest.mark.covers("qbiff/$USER")
def test_whose_terminals(tmp_path):
    path = tmp_path / "utmp"
    path.write_bytes(
        utmp_record(7, b"pts/1", b"joe") + utmp_record(7, b"pts/2", b"jim")
        + utmp_record(8, b"pts/3", b"joe") + utmp_record(7, b"../etc/x", b"joe") + b"torn"
    )  # fmt: skip
    assert list(qbiff.terminals(b"joe", str(path), b"/dev/")) == [b"/dev/pts/1"]
    assert list(qbiff.terminals(b"joe", str(tmp_path / "none"), b"/dev/")) == []


@pytest.mark.covers("command/qbiff", "qbiff/$RECIPIENT", "qbiff/$SENDER", "qbiff/exit 0")
def test_qbiff_tells_a_terminal_that_wants_to_know(tmp_path, monkeypatch):
    ours, its = os.openpty()
    tty.setraw(its)
    name = os.ttyname(its).removeprefix("/dev/")
    (tmp_path / "utmp").write_bytes(utmp_record(7, name.encode(), b"joe"))
    monkeypatch.setattr(qbiff, "UTMP", str(tmp_path / "utmp"))
    reading, writing = os.pipe()
    os.write(writing, b"Subject: hi \x1b[2J\n\nx\n")
    os.close(writing)
    kept = os.dup(0)
    os.dup2(reading, 0)
    try:
        for variable, value in (("USER", "joe"), ("RECIPIENT", "r@x.test"), ("SENDER", "s@x.test")):
            monkeypatch.setenv(variable, value)
        os.fchmod(its, 0o620)
        assert qbiff.main([]) == 0  # not marked by biff: nothing is said
        os.fchmod(its, 0o720)
        assert qbiff.main([]) == 0
        assert os.read(ours, 1_000) == b"\r\n*** TO <r@x.test> FROM <s@x.test> ()\7\r\n"
    finally:
        os.dup2(kept, 0)
        for number in (kept, reading, ours, its):
            os.close(number)


def test_what_a_sender_wrote_does_not_steer_the_terminal():
    line = qbiff._line(b"r@x.test", b"s@x.test", b"hi \x1b[2J\xff")
    assert line == b"\r\n*** TO <r@x.test> FROM <s@x.test> (hi _[2J_)\7\r\n"


# --- tcp-env ---


@contextlib.contextmanager
def connection(family=socket.AF_INET, address="127.0.0.1"):
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen(1)
        with socket.create_connection(listener.getsockname()[:2]) as client:
            server, _peer = listener.accept()
            with server:
                yield client, server


def tcp_environment(root, server, *words):
    done = subprocess.run(
        arguments("tcp_env", *words, "env"), stdin=server, capture_output=True, timeout=30,
        env=environment(root, TCPREMOTEINFO="stale"), check=True,
    )  # fmt: skip
    lines = (line.partition(b"=") for line in done.stdout.splitlines())
    return {name.decode(): value.decode() for name, _equal, value in lines}


@pytest.mark.covers(
    "command/tcp-env",
    "tcp-env/-R",
    "tcp-env/$PROTO",
    "tcp-env/$TCPLOCALIP",
    "tcp-env/$TCPLOCALPORT",
    "tcp-env/$TCPREMOTEIP",
    "tcp-env/$TCPREMOTEPORT",
    "tcp-env/$TCPLOCALHOST",
    "tcp-env/$TCPREMOTEHOST",
)
def test_tcp_env(root):
    with connection() as (client, server):
        found = tcp_environment(root, server, "-R")
        assert found["PROTO"] == "TCP"
        assert (found["TCPREMOTEIP"], found["TCPLOCALIP"]) == ("127.0.0.1", "127.0.0.1")
        assert int(found["TCPREMOTEPORT"]) == client.getsockname()[1]
        assert int(found["TCPLOCALPORT"]) == server.getsockname()[1]
        name = socket.getnameinfo(("127.0.0.1", 0), 0)[0].lower()
        assert found["TCPREMOTEHOST"] == found["TCPLOCALHOST"] == name
    assert "TCPREMOTEINFO" not in found


@pytest.mark.covers("tcp-env/-r", "tcp-env/-t", "tcp-env/$TCPREMOTEINFO")
def test_ident(root, monkeypatch):
    with socket.socket() as ident, connection() as (client, server):
        ident.bind(("127.0.0.1", 0))
        ident.listen(1)
        monkeypatch.setattr(tcp_env, "_IDENT_PORT", ident.getsockname()[1])
        asked = []

        def answer():
            sock, _peer = ident.accept()
            with sock:
                asked.append(sock.recv(100))
                sock.sendall(asked[0].strip() + b" : USERID : UNIX : jo\x1be\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        local, remote = server.getsockname(), server.getpeername()
        assert tcp_env._remote_info(local, remote, 5) == b"joe"
        thread.join()
        ports = (client.getsockname()[1], server.getsockname()[1])
        assert asked == [b"%d , %d\r\n" % ports]
        assert tcp_env._remote_info(local, remote, 1) == b""  # it listens, but does not answer


@pytest.mark.covers("tcp-env/exit 100", "tcp-env/exit 111")
def test_tcp_env_without_a_program(root):
    usage = b"tcp-env: usage: tcp-env [ -rR ] [ -ttimeout ] program [ arg ... ]\n"
    for words in ((), ("-Z", "env"), ("-t",)):
        done = run("tcp_env", root, *words)
        assert (done.returncode, done.stderr) == (100, usage)
    done = run("tcp_env", root, "-R", "nothing-like-it")
    text = b"tcp-env: fatal: unable to run nothing-like-it: file does not exist\n"
    assert (done.returncode, done.stderr) == (111, text)


def test_predate_is_run_by_this_interpreter():
    assert predate.date_now().split()[-1][0:1] in b"+-"
    assert sys.executable


@pytest.mark.covers(
    "qmail-local/maildir",
    "qmail-local/mbox",
    "qmail-local/program",
    "qmail-local/forward",
)
def test_lines_of_a_dry_run(root):
    home = root / "home"
    home.mkdir()
    (home / ".qmail-x").write_text("./M/\n./mbox\n|cat\n&a@x.test\n")
    done = run("qmail_local", root, "-n", "joe", str(home), "joe-x", "-", "x", "x.test", "s@x", "")
    lines = b"maildir ./M/\nmbox ./mbox\nprogram cat\nforward a@x.test\ndid 2+1+1\n"
    assert (done.returncode, done.stdout) == (0, lines)
