"""qmail-local as a command: what it prints, what it delivers, how it exits."""

import os
import subprocess

import pytest

from glassmail.store.maildir import make
from tests.faces.compat.command import arguments, environment, make_site
from tests.faces.compat.fake_queue import FakeQueue
from tests.shared import SAMPLES

MESSAGE = b"Received: x\nSubject: s\n\nbody\n"
NOBODY = 65_534
USAGE = (
    b"qmail-local: usage: qmail-local [ -nN ] user homedir local dash ext domain sender "
    b"aliasempty\n"
)


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


@pytest.fixture
def home(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    return home


def run(root, home, *options, ext=b"", dash=b"-", message=MESSAGE, **more):
    words = ["joe", str(home), "joe-x", dash, ext, "x.test", "s@y.test", "./Maildir/"]
    with (root / "message").open("w+b") as file:
        file.write(message)
        file.seek(0)
        return subprocess.run(
            arguments("qmail_local", *options, *words),
            stdin=file,
            capture_output=True,
            env=environment(root, PATH="/usr/bin:/bin"),
            timeout=30,
            check=False,
            **more,
        )


@pytest.mark.covers(
    "qmail-local/exit 0", "qmail-local/did", "qmail-local/-N",
)  # fmt: skip
@pytest.mark.covers("dot-qmail rule/Maildir")
def test_a_delivery(root, home):
    make(os.fsencode(home / "Maildir"))
    done = run(root, home, dash=b"")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"did 1+0+0\n", b"")
    (path,) = (home / "Maildir" / "new").iterdir()
    top = b"Return-Path: <s@y.test>\nDelivered-To: joe-x@x.test\n"
    assert path.read_bytes() == top + MESSAGE
    assert path.stat().st_mode & 0o777 == 0o600
    run(root, home, dash=b"")
    assert len(list((home / "Maildir" / "new").iterdir())) == 2  # nobody numbers these


def test_the_recorded_run_with_exit_99(root, home):
    (home / ".qmail-n99").write_bytes(b"|echo one\n|echo two; exit 99\n|echo three\n")
    done = run(root, home, ext=b"n99")
    assert (done.returncode, done.stdout) == (0, b"one\ntwo\ndid 0+0+2\n")
    sample = SAMPLES / "probe-dot-qmail.txt"
    if sample.exists():
        assert b"== real run n99\n" + done.stdout + b"rc=0\n" in sample.read_bytes()


@pytest.mark.covers("local/usage")
@pytest.mark.covers("qmail-local/-n", "qmail-local/exit 100")
def test_dry_run_and_usage(root, home):
    (home / ".qmail-a").write_bytes(b"./a/\n&b@x.test\n|true\n")
    done = run(root, home, "-n", ext=b"a")
    assert done.stdout == b"maildir ./a/\nforward b@x.test\nprogram true\ndid 1+1+1\n"
    assert done.returncode == 0
    done = run(root, home, "-N", ext=b"none")
    assert (done.returncode, done.stdout) == (100, b"")
    assert done.stderr == b"Sorry, no mailbox here by that name. (#5.1.1)\n"
    for options in (("-Z",), ("more",)):
        done = run(root, home, *options)
        assert (done.returncode, done.stderr) == (100, USAGE)


def test_a_dry_run_tells_lines_and_faults_on_their_own_descriptors(root, home):
    (home / ".qmail-a").write_bytes(b"&b@x.test\n./a/\n")
    (home / ".qmail-a").chmod(0o700)
    home.chmod(0o1700)
    done = run(root, home, "-n", ext=b"a")
    refused = b"Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n"
    assert (done.returncode, done.stdout) == (111, b"forward b@x.test\n")
    assert done.stderr == b"Warning: home directory is sticky.\n" + refused


def test_a_looping_message_and_a_sticky_home(root, home):
    done = run(root, home, message=b"Delivered-To: joe-x@x.test\n" + MESSAGE)
    text = b"This message is looping: it already has my Delivered-To line. (#5.4.6)\n"
    assert (done.returncode, done.stderr) == (100, text)
    home.chmod(0o1700)
    done = run(root, home)
    text = b"Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n"
    assert (done.returncode, done.stderr) == (111, text)


@pytest.mark.covers("dot-qmail rule/forward's first line")
def test_forwards_go_to_the_queue(root, home):
    (home / ".qmail-f").write_bytes(b"a@x.test\n&b@x.test\n")
    with FakeQueue(root) as queue:
        done = run(root, home, ext=b"f")
    assert done.returncode == 0
    ((enqueue, body),) = queue.taken
    assert done.stdout == b"did 0+2+0\nqp 42\n"
    assert (enqueue.sender, enqueue.recipients) == (b"s@y.test", (b"a@x.test", b"b@x.test"))
    assert body == b"Delivered-To: joe-x@x.test\n" + MESSAGE


def test_programs_inherit_the_environment(root, home):
    (home / ".qmail-e").write_bytes(b'|echo "$USER $GLASSMAIL_ROOT $EXT"\n')
    done = run(root, home, ext=b"e")
    assert done.stdout == b"joe " + os.fsencode(root) + b" e\ndid 0+0+1\n"


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to ask as somebody else")
@pytest.mark.covers("dot-qmail rule/no permission", "qmail-local/exit 111")
def test_a_file_that_may_not_be_read(root, tmp_path):
    home = tmp_path / "open"
    home.mkdir(mode=0o755)
    (home / ".qmail-noperm").write_bytes(b"./np/\n")
    (home / ".qmail-noperm").chmod(0)
    base = tmp_path
    while base.stat().st_mode & 0o5 != 0o5 and len(base.parts) > 2:
        base.chmod(base.stat().st_mode | 0o5)
        base = base.parent
    done = run(root, home, "-n", ext=b"noperm", user=NOBODY, group=NOBODY)
    text = b"Unable to open .qmail-noperm: access denied. (#4.3.0)\n"
    assert (done.returncode, done.stderr) == (111, text)
