import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from glassmail.store import edit
from glassmail.store.edit import EditError


def test_replace_makes_and_keeps_modes(tmp_path):
    path = str(tmp_path / "file")
    edit.replace(path, b"one")
    assert os.stat(path).st_mode & 0o7777 == 0o644
    os.chmod(path, 0o640)
    edit.replace(path, b"two")
    assert os.stat(path).st_mode & 0o7777 == 0o640
    edit.replace(path, b"three", 0o600)
    assert os.stat(path).st_mode & 0o7777 == 0o600
    assert Path(path).read_bytes() == b"three"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_replace_keeps_the_owner(tmp_path):
    path = str(tmp_path / "file")
    edit.replace(path, b"one", owner=(12_345, 54_321))
    edit.replace(path, b"two")
    status = os.stat(path)
    assert (status.st_uid, status.st_gid) == (12_345, 54_321)


def test_a_failed_replace_leaves_the_old_file(tmp_path, monkeypatch):
    path = str(tmp_path / "file")
    edit.replace(path, b"old")

    def no_space(_number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(EditError, match="No space left"):
        edit.replace(path, b"new")
    assert Path(path).read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["write", "fsync", "fchmod", "rename"])
def test_killed_at_any_step_a_reader_sees_old_or_new(tmp_path, call):
    path = tmp_path / "file"
    path.write_bytes(b"old" * 100)
    program = (
        "import os, signal\n"
        "from glassmail.store import edit\n"
        f"real = os.{call} if hasattr(os, {call!r}) else None\n"
        "def die(*_a, **_k): os.kill(os.getpid(), signal.SIGKILL)\n"
        f"os.{call} = die\n"
        f"edit.replace({str(path)!r}, b'new' * 100)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False, timeout=20)
    assert path.read_bytes() in (b"old" * 100, b"new" * 100)
    edit.replace(str(path), b"after")
    assert path.read_bytes() == b"after"


def test_edit_says_whether_it_changed(tmp_path):
    path = str(tmp_path / "file")
    assert edit.edit(path, lambda data: data + b"line\n")
    assert not edit.edit(path, lambda data: data)
    assert Path(path).read_bytes() == b"line\n"


def test_the_lock_is_vpopmails(tmp_path, monkeypatch):
    path = str(tmp_path / "file")
    monkeypatch.setattr(edit, "LOCK_WAIT_S", 0.0)
    program = (
        "import fcntl, sys\n"
        f"lock = open({path + '.lock'!r}, 'w')\n"
        "fcntl.lockf(lock, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(EditError, match="somebody else has held this lock"):
            edit.edit(path, lambda data: data + b"x")
    finally:
        holder.communicate(timeout=10)
    assert edit.edit(path, lambda data: data + b"x")


def test_a_lock_is_free_afterwards(tmp_path):
    path = str(tmp_path / "file")
    with edit.locked(path):
        pass
    with open(path + ".lock", "r+b") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_alone_in_a_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(edit, "LOCK_WAIT_S", 0.0)
    taken = pytest.raises(EditError, match="somebody else has held this lock")
    with edit.alone_in(str(tmp_path)), taken, edit.alone_in(str(tmp_path)):
        pass
    with edit.alone_in(str(tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(EditError, match="No such file"), edit.alone_in(str(tmp_path / "none")):
        pass


def test_a_file_can_be_made_later_than_another(tmp_path):
    path = str(tmp_path / "file")
    edit.replace(path, b"x", after_ns=5)
    now = os.stat(path).st_mtime_ns
    assert now > 5
    edit.replace(path, b"y", after_ns=now + 10**15)
    assert os.stat(path).st_mtime_ns == now + 10**15 + 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a lock away")
def test_a_lock_that_is_another_file_is_not_given_away(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    (tmp_path / "file.lock").hardlink_to(secret)
    os.chown(tmp_path, 65_534, 65_534)
    with pytest.raises(EditError, match="hard link"), edit.locked(str(tmp_path / "file")):
        pass
    assert secret.stat().st_uid == 0
