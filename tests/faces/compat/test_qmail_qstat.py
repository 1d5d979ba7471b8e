import shutil
from pathlib import Path

import pytest

from tests.faces.compat.command import make_site, run
from tests.faces.compat.fake_queue import FakeQueue

pytestmark = pytest.mark.covers("command/qmail-qstat")

EXPECTED = (Path(__file__).resolve().parents[2] / "data" / "compat" / "qstat.txt").read_bytes()


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


def test_the_lines_are_qmails(root):
    with FakeQueue(root, stats={"messages": 7, "unprocessed": 0}):
        done = run("qmail_qstat", root)
    assert (done.returncode, done.stdout, done.stderr) == (0, EXPECTED, b"")


def test_trouble_is_111(root):
    with FakeQueue(root):
        done = run("qmail_qstat", root)
    assert (done.returncode, done.stderr) == (111, b"qmail-qstat: fatal: run it as root\n")
    shutil.rmtree(root / "queue")
    assert run("qmail_qstat", root).returncode == 111
