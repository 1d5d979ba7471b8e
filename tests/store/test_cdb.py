"""A cdb on the disk: missing, replaced, damaged."""

import os

import pytest

from glassmail.core.formats.cdb import CdbError, render
from glassmail.store.cdb import Cdb


def write(path, pairs):
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(render(pairs))
    temporary.rename(path)


def test_missing_then_there_then_replaced_then_gone(tmp_path):
    path = tmp_path / "cdb"
    file = Cdb(str(path), "users/cdb")
    assert file.current() is None
    assert file.find(b"a") is None
    write(path, [(b"a", b"1")])
    assert file.find(b"a") == b"1"
    before = file.current()
    write(path, [(b"a", b"2")])
    assert file.find(b"a") == b"2"
    assert before.find(b"a") == b"1"  # one decision sees one file
    assert list(file.current().records()) == [(b"a", b"2")]
    path.unlink()
    assert file.find(b"a") is None


def test_the_same_file_is_opened_once(tmp_path):
    path = tmp_path / "cdb"
    write(path, [])
    file = Cdb(str(path))
    assert file.current() is file.current()
    assert file.current().mtime_ns == os.stat(path).st_mtime_ns


@pytest.mark.parametrize("data", [b"", b"x" * 100])
def test_damaged(tmp_path, data):
    path = tmp_path / "cdb"
    path.write_bytes(data)
    file = Cdb(str(path), "users/cdb")
    with pytest.raises(CdbError, match="users/cdb: "):
        file.find(b"a")
    with pytest.raises(CdbError, match="users/cdb: "):
        list(file.current().records())


def test_trouble_is_told(tmp_path):
    (tmp_path / "cdb").mkdir()
    with pytest.raises(OSError, match=r"Invalid argument.*cdb"):
        Cdb(str(tmp_path / "cdb")).find(b"a")
