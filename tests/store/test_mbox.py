import fcntl
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.store import mbox
from glassmail.store.letter import Letter
from glassmail.store.mbox import MboxError, append, mbox_lines, quote
from tests.shared import SAMPLES

TOP = (
    b"From quser@oracle.example.test Fri Nov 20 15:04:01 2026\n"
    b"Return-Path: <quser@oracle.example.test>\n"
    b"Delivered-To: virt.test-mbox@virt.test\n"
)
MESSAGE = (
    b"Received: (qmail 30128 invoked by uid 1001); 20 Nov 2026 15:04:01 -0000\n"
    b"Date: 20 Nov 2026 15:04:01 -0000\n"
    b"Message-ID: <20261120150401.30127.qmail@oracle.example.test>\n"
    b"From: quser@oracle.example.test\n"
    b"Subject: mbox\n"
    b"To: mbox@virt.test\n"
    b"\n"
    b"body of mbox\n"
)


@pytest.mark.covers("dot-qmail rule/mbox")
def test_the_sample(tmp_path):
    sample = SAMPLES / "mbox-delivery.txt"
    if not sample.exists():
        pytest.skip("the reference samples are not beside the checkout")
    path = os.fsencode(tmp_path / "box")
    append(path, b"./box", TOP, Letter.of(MESSAGE))
    assert (tmp_path / "box").read_bytes() == sample.read_bytes()


def test_from_lines_are_quoted_and_the_last_line_is_ended(tmp_path):
    path = os.fsencode(tmp_path / "box")
    for _ in range(2):
        append(path, b"./box", b"From x\n", Letter.of(b"a\n\nFrom b\n>From c\n>>From d\nFrom"))
    once = b"From x\na\n\n>From b\n>>From c\n>>>From d\nFrom\n\n"
    assert (tmp_path / "box").read_bytes() == once * 2


def test_quote_leaves_other_lines():
    assert quote(b"Fromage\n from\nFrom: x\n") == b"Fromage\n from\nFrom: x\n"


def test_it_cannot_be_opened(tmp_path):
    (tmp_path / "box").mkdir()
    with pytest.raises(MboxError) as error:
        append(os.fsencode(tmp_path / "box"), b"./box", b"", Letter.of(b"x"))
    assert error.value.text == b"Unable to open ./box: is a directory. (#4.2.1)\n"


@pytest.mark.covers("dot-qmail rule/mbox write")
def test_a_failed_write_leaves_the_old_length(tmp_path, monkeypatch):
    path = tmp_path / "box"
    path.write_bytes(b"old\n")

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MboxError) as error:
        append(os.fsencode(path), b"./box", b"From x\n", Letter.of(b"x\n"))
    assert error.value.text == b"Unable to write ./box: out of disk space. (#4.3.0)\n"
    assert path.read_bytes() == b"old\n"


@pytest.mark.covers("dot-qmail rule/mbox lock")
def test_a_lock_that_stays(tmp_path, monkeypatch):
    path = tmp_path / "box"
    path.write_bytes(b"old\n")
    timer = mbox.signal.setitimer
    monkeypatch.setattr(
        mbox.signal, "alarm", lambda s: timer(mbox.signal.ITIMER_REAL, 0.01 if s else 0)
    )
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(MboxError) as error:
            append(os.fsencode(path), b"./box", b"From x\n", Letter.of(b"x\n"))
    assert error.value.text == b"File has been locked for 30 seconds straight. (#4.3.0)\n"
    assert path.read_bytes() == b"old\n"


@pytest.mark.parametrize("start", [b"", b">", b">>From ", b"From ", b">" * 3_000_000, b"a\n>From "])
def test_a_line_without_end_is_not_gathered(tmp_path, start):
    text = start + b"x" * 3_000_000
    (tmp_path / "body").write_bytes(text)
    descriptor = os.open(tmp_path / "body", os.O_RDONLY)
    chunks = list(mbox_lines(b"", Letter(b"", None, descriptor, len(text))))
    os.close(descriptor)
    assert b"".join(chunks) == quote(text) + b"\n\n"
    assert max(map(len, chunks)) < 3 * mbox.CHUNK_BYTES


@given(st.lists(st.sampled_from([b">", b"From", b" ", b"\n", b"x", b">>", b"From "]), max_size=40))
def test_lines_are_quoted_alike_however_they_come(parts):
    class Pieces(Letter):
        def pieces(self):
            yield from parts

    text = b"".join(parts)
    end = b"\n\n" if text and not text.endswith(b"\n") else b"\n"
    for size in (1, 2, 6):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mbox, "CHUNK_BYTES", size)
            assert b"".join(mbox_lines(b"", Pieces.of(b""))) == quote(text) + end
