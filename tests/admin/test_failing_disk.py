"""Real commands killed, or failed by the disk, at a call of the system: the next one finishes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glassmail.core.model.trail import NO, YES
from glassmail.settings.place import Place
from glassmail.store.accounts import Mailboxes
from tests.admin.site import make
from tests.admin.test_killed_edits import files, leads_to

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")

_CODE = "import sys; from glassmail.faces.compat.{} import main; sys.exit(main(sys.argv))"
_FULL = bool(os.environ.get("GLASSMAIL_FULL"))
_FAULTS = ("signal=KILL", "error=EIO", "error=ENOSPC") if _FULL else ("signal=KILL", "error=ENOSPC")
# Calls that change something, with the counts at which they are hurt.
_POINTS = {"rename": (4, 8), "fsync": (9, 33), "mkdir": (4,), "unlink": (3,)}
if _FULL:
    _POINTS = {name: range(1, 45) for name in (*_POINTS, "openat", "write", "fchmod", "flock")}


@pytest.fixture
def root(tmp_path):
    return make(tmp_path).root


def run(root, words, call="", count=0, fault=""):
    command = [sys.executable, "-c", _CODE.format(words[0]), *words[1:]]
    if call:
        inject = f"inject={call}:{fault}:when={count}"
        strace = ["strace", "-f", "-qq", "-o", "/dev/null", f"-etrace={call}", "-e", inject]
        command = [*strace, *command]
    environment = {**os.environ, "GLASSMAIL_ROOT": root, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("call", _POINTS)
def test_a_domain(root, call, fault):
    words = ["vadddomain", "fresh.test", "secret"]
    for count in _POINTS[call]:
        old = files(root)
        done = run(root, words, call, count, fault)
        assert "Traceback" not in done.stderr, (count, done.stderr)
        led = leads_to(root, b"fresh.test")
        if led["rcpthosts"]:
            assert all(led.values()), (count, led)
        if done.returncode == 0:
            assert all(led.values()), (count, led)
        # The next command finishes what was begun, or there is nothing to finish.
        assert run(root, ["vdeldomain", "nobody.test"]).returncode == 245
        assert run(root, words).returncode in (0, 243), count
        assert all(leads_to(root, b"fresh.test").values()), count
        assert Path(root, "domains/fresh.test/postmaster/Maildir/new").is_dir()
        assert run(root, ["vdeldomain", "fresh.test"]).returncode == 0
        assert files(root) == old, count


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("call", ["rename", "fsync"])
def test_a_mailbox(root, call, fault):
    directory = os.fsencode(Place(root).path("domains", "example.test"))
    for count in range(1, 25) if _FULL else (2, 5):
        name = f"u{count}"
        done = run(root, ["vadduser", f"{name}@example.test", "x"], call, count, fault)
        assert "Traceback" not in done.stderr, (count, done.stderr)
        found = Mailboxes().find(directory, name.encode()).answer
        assert found in (YES, NO)
        assert found == YES or done.returncode != 0
        assert Mailboxes().find(directory, b"bob").answer == YES
        again = run(root, ["vadduser", f"{name}@example.test", "x"])
        assert (again.returncode == 0) == (found == NO), (count, again.stdout, again.stderr)
        assert run(root, ["vpasswd", f"{name}@example.test", "y"]).returncode == 0
