"""A process killed, or failed by the disk, at the n-th system call: nothing accepted is lost.

The harness is bench/killpoints.py; here it hurts some points. GLASSMAIL_FULL=1 hurts them all.
"""

import os
import shutil
import subprocess
import sys

import pytest

from tests.faults.harness import BENCH

FULL = bool(os.environ.get("GLASSMAIL_FULL"))

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("strace") is None, reason="needs root and strace"
)


def run(*words, sample):
    words = [*words, "--seed", "1997", "--verbose"]
    if not FULL:
        words += ["--kind", "file", "--kind", "forward", "--sample", str(sample)]
    done = subprocess.run(
        [sys.executable, str(BENCH / "killpoints.py"), *words],
        capture_output=True, text=True, timeout=3_600 if FULL else 150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_killed_at_the_nth_call():
    assert "12 of " in run("--do", "kill", sample=12) or FULL


def test_syncs_and_writes_that_fail():
    """4xx or a deferral, never a loss; nobody reports a success that no sync stands behind."""
    words = ["--do", "EIO", "--do", "ENOSPC", "--do", "always-EIO", "--syncmode", "fsync"]
    said = run(*words, "--role", "queue", "--role", "worker", "--role", "smtpd", sample=8)
    assert "8 of " in said or FULL
