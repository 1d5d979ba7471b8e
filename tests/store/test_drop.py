import os

import pytest

from glassmail.core.formats.drop import DropError
from glassmail.core.model.envelope import Envelope
from glassmail.store import drop
from glassmail.store.drop import DropWriter, is_finished, open_drop

ENVELOPE = Envelope(b"s@x", (b"r@y", b""))


@pytest.fixture
def path(tmp_path):
    writer = DropWriter(str(tmp_path))
    writer.write(b"body ")
    writer.write(b"of it\n")
    return tmp_path / writer.commit(ENVELOPE)


def test_what_was_left_is_found(path):
    found = open_drop(str(path))
    assert os.pread(found.fd, found.body_size, found.body_at) == b"body of it\n"
    assert found.envelope == ENVELOPE
    assert found.uid == os.getuid()
    assert found.dropped_at == int(path.stat().st_mtime)
    os.close(found.fd)


def test_it_has_no_final_name_before_it_is_complete(tmp_path):
    writer = DropWriter(str(tmp_path))
    writer.write(b"x")
    (name,) = os.listdir(tmp_path)
    assert not is_finished(name)
    with pytest.raises(DropError):
        open_drop(str(tmp_path / name))
    writer.abandon()
    assert os.listdir(tmp_path) == []


def test_a_failed_sync_leaves_nothing(tmp_path, monkeypatch):
    def fail(_fd):
        raise OSError(5, "input/output error")

    monkeypatch.setattr(drop, "_sync_filesystem", fail)
    writer = DropWriter(str(tmp_path))
    with pytest.raises(OSError, match="input/output"):
        writer.commit(ENVELOPE)
    writer.abandon()
    assert os.listdir(tmp_path) == []


def test_every_damage_is_noticed(path):
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(DropError):
            open_drop(str(path))
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        with pytest.raises(DropError):
            open_drop(str(path))
    path.write_bytes(data + b"x")
    with pytest.raises(DropError):
        open_drop(str(path))


def test_links_directories_and_fifos_are_refused(path, tmp_path):
    os.link(path, tmp_path / "second")
    with pytest.raises(DropError, match="several names"):
        open_drop(str(path))
    (tmp_path / "second").unlink()
    (tmp_path / "symbolic").symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        open_drop(str(tmp_path / "symbolic"))
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DropError, match="regular"):
        open_drop(str(tmp_path / "fifo"))
    (tmp_path / "directory").mkdir()
    with pytest.raises(DropError, match="regular"):
        open_drop(str(tmp_path / "directory"))
