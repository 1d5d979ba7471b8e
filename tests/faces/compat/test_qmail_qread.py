import shutil
from pathlib import Path

import pytest

from glassmail.faces.compat.qmail_qread import lines
from tests.faces.compat.command import make_site, run
from tests.faces.compat.fake_queue import FakeQueue

pytestmark = pytest.mark.covers("command/qmail-qread")

EXPECTED = (Path(__file__).resolve().parents[2] / "data" / "compat" / "qread.txt").read_bytes()
BORN = 1_795_187_041  # 20 Nov 2026 15:04:01


def message(number, size, sender, *recipients, bouncing=False):
    rows = [
        {"number": n, "channel": channel, "address": address, "original": address, "state": state,
         "text": "", "retry_at": 0}
        for n, (channel, address, state) in enumerate(recipients)
    ]  # fmt: skip
    return {"message": number, "born": BORN, "size": size, "sender": sender, "bouncing": bouncing,
            "recipients": rows}  # fmt: skip


USER = "quser@oracle.example.test"
WAITING = "waiting"
SEEN = [
    message(1614190, 245, USER, ("local", "virt.test-soft@virt.test", WAITING)),
    message(1614195, 264, USER, ("remote", "rcpt4@remote.test", WAITING)),
    message(1614219, 824, "", ("remote", "sender5@src.test", WAITING)),
    message(1614201, 263, USER, ("remote", "x@noroute.test", WAITING)),
    message(1614206, 261, USER, ("remote", "drop@remote.test", WAITING)),
    message(1614207, 261, USER, ("remote", "eod4@remote.test", WAITING)),
    message(1614208, 302, USER, ("remote", "ok1@remote.test", "done"),
            ("remote", "rcpt5b@remote.test", "failed"), ("remote", "rcpt4b@remote.test", WAITING),
            bouncing=True),
]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return make_site(tmp_path)


def test_the_lines_are_qmails():
    assert b"".join(line for row in SEEN for line in lines(row)) == EXPECTED


def test_it_asks_page_after_page(root):
    messages = sorted(SEEN, key=lambda row: row["message"])
    with FakeQueue(root, messages=messages) as queue:
        done = run("qmail_qread", root)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"".join(line for row in messages for line in lines(row))
    after = [request.arguments["after"] for request in queue.requests]
    assert after == [0, 1614195, 1614206, 1614208]


def test_local_recipients_come_first_and_odd_bytes_are_made_safe():
    sender = b"s\xff\n\xc3\xa4@x".decode("utf-8", "surrogateescape")
    row = message(7, 1, sender, ("remote", "r@x", WAITING), ("local", "l\t@x", "done"))
    assert list(lines(row)) == [
        b"20 Nov 2026 15:04:01 GMT  #7  1  <s____@x> \n",
        b"  done\tlocal\tl_@x\n",
        b"\tremote\tr@x\n",
    ]


def test_without_the_queue_it_is_111(root):
    shutil.rmtree(root / "queue")
    done = run("qmail_qread", root)
    assert done.returncode == 111
    assert done.stdout.startswith(b"fatal: no server answers at ")
