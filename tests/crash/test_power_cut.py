"""A few power cuts of each kind; the long run is `make crash`."""

import pytest

from tests.crash.harness import run

pytestmark = pytest.mark.root


@pytest.mark.parametrize("layout", ["ext4", "xfs", "ext4+ext4", "xfs+ext4"])
def test_no_promise_is_lost(layout):
    code, text = run("crash.py", "--cuts", "3", "--senders", "20", "--layout", layout)
    assert code == 0, text


def test_forwards_and_bounces_in_flight():
    code, text = run(
        "crash.py", "--cuts", "3", "--senders", "20", "--layout", "xfs+ext4", "--forwards",
        "--bounces",
    )  # fmt: skip
    assert code == 0, text


def test_bodies_in_files():
    code, text = run(
        "crash.py", "--cuts", "3", "--senders", "20", "--layout", "ext4+ext4", "--bodies", "file"
    )
    assert code == 0, text


def test_the_drop_directory_keeps_its_promise():
    code, text = run("crash.py", "--cuts", "3", "--senders", "20", "--layout", "ext4", "--drop")
    assert code == 0, text


@pytest.mark.parametrize("syncmode", ["syncfs", "fsync"])
def test_the_maildirs_disk_dies_alone(syncmode):
    code, text = run(
        "crash.py", "--cuts", "5", "--senders", "20", "--layout", "ext4+xfs", "--cut", "home",
        "--syncmode", syncmode,
    )  # fmt: skip
    assert code == 0, text


def test_the_harness_finds_a_loss():
    code, text = run("crash.py", "--cuts", "2", "--senders", "20", "--layout", "ext4", "--server",
                     "toy-none")  # fmt: skip
    assert code == 1, text
    assert " 0 lost" not in text
