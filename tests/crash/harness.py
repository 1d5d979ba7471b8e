"""Running the harnesses of bench/ as programs, and skipping where they cannot run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"
CANNOT = 3


def run(program, *arguments, timeout_s=240):
    """Run a harness; return its output, skip with its own reason when it says that it cannot."""
    done = subprocess.run(
        [sys.executable, str(BENCH / program), *arguments],
        capture_output=True, text=True, timeout=timeout_s, check=False,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    if done.returncode == CANNOT:
        pytest.skip(done.stdout.strip())
    return done.returncode, done.stdout + done.stderr
