import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassmail.store import letter as letter_module
from glassmail.store.letter import Letter, LetterError


def in_file(tmp_path, head, body):
    path = tmp_path / "body"
    path.write_bytes(body)
    return Letter(head, None, os.open(path, os.O_RDONLY), len(head) + len(body))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_wire_extra_counts_every_lf_without_cr(head, body):
    text = head + body
    bare = text.count(b"\n") - text.count(b"\r\n")
    assert Letter(head, body, -1, len(text)).wire_extra() == bare


def test_a_body_in_a_file_reads_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(letter_module, "PIECE_BYTES", 3)
    body = b"line\r\nnext\n\nend"
    letter = in_file(tmp_path, b"Head: x\n", body)
    assert b"".join(letter.pieces()) == b"Head: x\n" + body
    assert letter.wire_extra() == 3
    assert letter.start(10).startswith(b"Head: x\nli")
    descriptor = letter.as_file(b"Top: y\n")
    assert os.read(descriptor, 100) == b"Top: y\nHead: x\n" + body
    os.close(descriptor)
    letter.release()
    assert letter.descriptor == -1


def test_a_file_that_is_too_short_is_an_error(tmp_path):
    letter = in_file(tmp_path, b"", b"short")
    letter.size = 10
    with pytest.raises(LetterError, match="ends at byte 5 of 10"):
        list(letter.pieces())
    letter.release()


def test_a_large_copy_goes_to_the_disk(monkeypatch):
    monkeypatch.setattr(letter_module, "MEMORY_FILE_BYTES_MAX", 4)
    descriptor = Letter.of(b"larger").as_file()
    assert os.read(descriptor, 10) == b"larger"
    os.close(descriptor)


def test_the_last_of_its_users_closes_the_descriptor(tmp_path):
    letter = in_file(tmp_path, b"", b"x")
    letter.users = 2
    letter.release()
    os.fstat(letter.descriptor)
    descriptor = letter.descriptor
    letter.release()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)
