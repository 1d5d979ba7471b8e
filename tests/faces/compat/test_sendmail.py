import subprocess
import sys

import pytest

from tests.faces.compat.command import environment, make_site, run
from tests.faces.compat.fake_queue import FakeQueue
from tests.faces.compat.test_qmail_inject import queued

pytestmark = pytest.mark.covers("command/sendmail")

USAGE = b"sendmail: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]\n"


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


def called_as(name, root, *words):
    """Run it through a script of that name."""
    script = root.parent / name
    script.write_text("import sys\nfrom glassmail.faces.compat.sendmail import main\n"
                      "sys.exit(main())\n")  # fmt: skip
    return subprocess.run(
        [sys.executable, str(script), *words], input=b"\n", capture_output=True,
        env=environment(root), timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sender", "recipients", "from_line"),
    [
        (["arg"], b"bob@oracle.example.test", [b"arg@oracle.example.test"],
         b"From: bob@oracle.example.test"),
        (["-t"], b"bob@oracle.example.test", [b"h@oracle.example.test"],
         b"From: bob@oracle.example.test"),
        (["-t", "arg"], b"bob@oracle.example.test",
         [b"arg@oracle.example.test", b"h@oracle.example.test"], b"From: bob@oracle.example.test"),
        (["-fs@h.test", "-F", "Name", "arg"], b"s@h.test", [b"arg@oracle.example.test"],
         b"From: s@h.test"),
        (["-f", "s", "arg"], b"s@oracle.example.test", [b"arg@oracle.example.test"],
         b"From: s@oracle.example.test"),
        (["-FFull Name", "arg"], b"bob@oracle.example.test", [b"arg@oracle.example.test"],
         b'From: "Full Name" <bob@oracle.example.test>'),
        (["-bm", "-B8BITMIME", "-px", "-v", "-i", "-x", "-m", "-em", "-oi", "-oem", "-odb", "-oQ",
          "-Eanything", "-J", "-om", "-p", "y", "arg"], b"bob@oracle.example.test",
         [b"arg@oracle.example.test"], b"From: bob@oracle.example.test"),
        (["-iv", "--", "-t"], b"bob@oracle.example.test", [b"-t@oracle.example.test"],
         b"From: bob@oracle.example.test"),
    ],
)  # fmt: skip
def test_what_goes_to_inject(root, words, sender, recipients, from_line):
    found = queued(root, *words, message=b"To: h\n\n", module="sendmail")
    assert found[:2] == (sender, recipients)
    assert from_line + b"\n" in found[2]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-Z"], b"illegal option -- Z\n" + USAGE),
        (["-f"], b"option requires an argument -- f\n" + USAGE),
        (["-bd"], USAGE),
        (["-bi"], USAGE),
    ],
)
def test_what_it_refuses(root, words, text):
    done = run("sendmail", root, *words)
    assert done.returncode == 100
    assert done.stderr.endswith(text)
    assert done.stdout == b""


def test_without_a_home(root):
    done = run("sendmail", root / "nowhere", "arg")
    text = b"sendmail: fatal: unable to switch to qmail home directory\n"
    assert (done.returncode, done.stderr) == (111, text)


def test_a_relative_root_is_meant_from_where_it_was_called(root):
    with FakeQueue(root) as queue:
        done = run("sendmail", root, "arg", message=b"\n", GLASSMAIL_ROOT="site")
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(queue.taken) == 1


@pytest.mark.covers("command/mailq", "command/newaliases")
@pytest.mark.covers(
    "mailq/exit 0", "newaliases/exit 100", "sendmail/-bp",
)  # fmt: skip
def test_names_of_the_program(root):
    done = called_as("newaliases", root)
    text = b"sendmail: fatal: please use fastforward/newaliases instead\n"
    assert (done.returncode, done.stderr) == (100, text)
    with FakeQueue(root) as queue:
        assert called_as("mailq", root).returncode == 0
        assert run("sendmail", root, "-bp").returncode == 0
    assert [request.verb for request in queue.requests] == ["list", "list"]
    assert called_as("sendmail", root, "-Z").stderr == b"sendmail: illegal option -- Z\n" + USAGE
