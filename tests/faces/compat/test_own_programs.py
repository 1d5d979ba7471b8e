"""forward, condredirect, bouncesaying, except and preline as commands."""

import subprocess

import pytest

from tests.faces.compat.command import arguments, environment, make_site
from tests.faces.compat.fake_queue import FakeQueue

MESSAGE = b"Subject: s\n\nbody\n"
LINES = {
    "SENDER": "s@x.test",
    "NEWSENDER": "n@x.test",
    "DTLINE": "Delivered-To: joe@x.test\n",
    "RPLINE": "Return-Path: <s@x.test>\n",
    "UFLINE": "From s@x.test Fri Nov 20 15:04:01 2026\n",
}


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


def run(root, module, *words, **more):
    path = root / "message"
    path.write_bytes(MESSAGE)
    variables = environment(root, **{**LINES, **more})
    with path.open("rb") as message:
        return subprocess.run(
            arguments(module, *words),
            stdin=message,
            capture_output=True,
            env={name: value for name, value in variables.items() if value is not None},
            cwd=root,
            timeout=30,
            check=False,
        )


def said(done):
    return done.returncode, done.stdout, done.stderr


@pytest.mark.covers(
    "forward/$DTLINE", "forward/$NEWSENDER", "forward/exit 0", "forward/qp",
)  # fmt: skip
def test_forward(root):
    with FakeQueue(root) as queue:
        done = run(root, "forward", "a@x.test", "b@x.test")
    assert done.returncode == 0
    assert done.stderr.startswith(b"forward: qp ")
    ((enqueue, body),) = queue.taken
    assert (enqueue.sender, enqueue.recipients) == (b"n@x.test", (b"a@x.test", b"b@x.test"))
    assert body == LINES["DTLINE"].encode() + MESSAGE
    text = b"forward: fatal: DTLINE not set\n"
    assert said(run(root, "forward", "a@x.test", DTLINE=None)) == (100, b"", text)


@pytest.mark.covers("forward/$QMAILQUEUE", "forward/exit 100")
def test_a_queue_program_that_refuses(root):
    program = root / "queue-program"
    program.write_text("#!/bin/sh\ncat >/dev/null\nexit 31\n")
    program.chmod(0o755)
    done = run(root, "forward", "a@x.test", QMAILQUEUE=str(program))
    text = b"forward: fatal: mail server permanently rejected message (#5.3.0)\n"
    assert said(done) == (100, b"", text)


@pytest.mark.covers(
    "condredirect/$SENDER", "condredirect/$DTLINE", "condredirect/exit 0", "condredirect/exit 99",
)  # fmt: skip
def test_condredirect(root):
    with FakeQueue(root) as queue:
        done = run(root, "condredirect", "a@x.test", "grep", "Subject")
    assert done.returncode == 99
    assert done.stdout == b"Subject: s\n"
    assert done.stderr.startswith(b"condredirect: qp ")
    ((enqueue, body),) = queue.taken
    assert enqueue.sender == b"s@x.test"
    assert body == LINES["DTLINE"].encode() + MESSAGE  # rewound after the program read it
    assert said(run(root, "condredirect", "a@x.test", "false")) == (0, b"", b"")


@pytest.mark.covers(
    "bouncesaying/exit 100",
    "bouncesaying/exit 0",
    "except/exit 100",
    "except/exit 0",
    "except/exit 111",
)
def test_bouncesaying_and_except(root):
    assert said(run(root, "bouncesaying", "Go away.")) == (100, b"", b"Go away.\n")
    assert said(run(root, "bouncesaying", "Go away.", "false")) == (0, b"", b"")
    assert said(run(root, "except_", "echo", "hi")) == (100, b"hi\n", b"")
    assert said(run(root, "except_", "false")) == (0, b"", b"")
    text = b"except: fatal: temporary child error\n"
    assert said(run(root, "except_", "sh", "-c", "exit 111")) == (111, b"", text)
    text = b"except: fatal: child crashed\n"
    assert said(run(root, "except_", "sh", "-c", "kill -9 $$")) == (111, b"", text)


@pytest.mark.covers(
    "preline/-f",
    "preline/-r",
    "preline/-d",
    "preline/$UFLINE",
    "preline/$RPLINE",
    "preline/$DTLINE",
    "preline/exit 0",
    "preline/exit 100",
)
def test_preline(root):
    lines = (LINES["UFLINE"] + LINES["RPLINE"] + LINES["DTLINE"]).encode()
    assert said(run(root, "preline", "cat")) == (0, lines + MESSAGE, b"")
    assert said(run(root, "preline", "-frd", "cat")) == (0, MESSAGE, b"")
    assert said(run(root, "preline", "true"))[0] == 0
    assert said(run(root, "preline", "sh", "-c", "exit 5"))[0] == 5
    text = b"preline: fatal: unable to run nothing-like-it: file does not exist\n"
    assert said(run(root, "preline", "nothing-like-it")) == (100, b"", text)
