import os
import socket
import subprocess
import sys
import threading

import pytest

from glassmail.faces.compat import vpopmaild, vpopmaild_service
from tests.admin.site import make

CODE = "import sys; from glassmail.faces.compat.vpopmaild import main; sys.exit(main(sys.argv))"


@pytest.fixture(autouse=True)
def _umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def place(tmp_path):
    return make(tmp_path)


def words(*arguments):
    return [sys.executable, "-c", CODE, *arguments]


def environment(place):
    source = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(vpopmaild.__file__))))
    return {"PATH": os.environ["PATH"], "GLASSMAIL_ROOT": place.root, "PYTHONPATH": source}


@pytest.mark.covers("vpopmaild/exit 0")
def test_below_tcpserver(place):
    said = b"slogin tammy@example.test secret\r\nuser_info tammy@example.test\nfoo\nquit\n"
    done = subprocess.run(
        words(), input=said, capture_output=True, env=environment(place), check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    lines = done.stdout.split(b"\r\n")
    assert lines[:4] == [b"+OK ", b"+OK ", b"+OK+", b"name tammy"]
    assert lines[-2:] == [b"-ERR 4.107 Invalid Command", b""]


@pytest.mark.covers("command/vpopmaild")
def test_by_itself_on_loopback(place):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        words(f"127.0.0.1:{port}"), stdout=subprocess.PIPE, env=environment(place)
    )
    try:
        assert server.stdout.readline() == b"ready\n"

        def talk():
            with socket.create_connection(("127.0.0.1", port), 20) as client:
                file = client.makefile("rwb", 0)
                assert file.readline() == b"+OK \r\n"
                file.write(b"slogin bob@example.test other\n")
                answers.append(file.readline())
                file.write(b"q\n")
                assert file.readline() == b""

        answers = []
        threads = [threading.Thread(target=talk) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [b"+OK \r\n"] * 4
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()
    assert server.returncode == 0


@pytest.mark.covers("vpopmaild/exit 100", "vpopmaild/exit 111")
def test_only_on_loopback(place, monkeypatch, capsys):
    monkeypatch.setenv("GLASSMAIL_ROOT", place.root)
    for text in ("192.0.2.1:89", "0.0.0.0:89", "89", "127.0.0.1:x", "[::]:89"):
        assert vpopmaild.main(["vpopmaild", text]) == 111, text
    assert "an address of the loopback interface alone" in capsys.readouterr().err
    assert vpopmaild.main(["vpopmaild", "-x"]) == 100
    monkeypatch.setenv("GLASSMAIL_ROOT", place.root + "/none")
    assert vpopmaild.main(["vpopmaild"]) == 111


def test_a_client_that_falls_silent(place, monkeypatch):
    from glassmail.admin.site import Site

    monkeypatch.setattr(vpopmaild_service, "TIMEOUT_S", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert vpopmaild_service.converse(Site.at(place), theirs.fileno(), theirs.fileno()) == 0
        assert ours.recv(100) == b"+OK \r\n"
