import os

import pytest

from glassmail.store import lastauth


def test_nobody_yet(tmp_path):
    path = os.fsencode(tmp_path)
    assert lastauth.read(path) is None
    assert lastauth.read(path + b"/none") is None
    (tmp_path / "lastauth").write_bytes(b"0.0.0.0")
    assert lastauth.read(path) is None


def test_a_login(tmp_path):
    path = os.fsencode(tmp_path)
    lastauth.record(path, b"192.0.2.200")
    os.utime(tmp_path / "lastauth", (5, 5))
    assert lastauth.read(path) == (5, b"192.0.2.200")
    lastauth.record(path, b"192.0.2.1")
    assert (tmp_path / "lastauth").read_bytes() == b"192.0.2.1"
    assert lastauth.read(path).when > 5
    assert (tmp_path / "lastauth").stat().st_mode & 0o777 == 0o600


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"text")
    (tmp_path / "lastauth").symlink_to("victim")
    with pytest.raises(OSError, match="symbolic"):
        lastauth.record(os.fsencode(tmp_path), b"192.0.2.1")
    assert (tmp_path / "victim").read_bytes() == b"text"
