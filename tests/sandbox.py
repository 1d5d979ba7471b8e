"""Run a program with an /etc of its own, so that users made in a test stay in the test.

A new mount namespace gets a copy of /etc bound over the real one; the machine's is never changed.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

NEEDS = "needs root and unshare(1) with mount namespaces"
TIMEOUT_S = 120
_SCRIPT = 'mount --bind "$0" /etc && exec "$@"'


def can_have_private_etc():
    """Tell whether run_in_private_etc works here."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    tried = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "true"], check=False, capture_output=True
    )
    return tried.returncode == 0


def run_in_private_etc(
    command: Sequence[str],
    directory: Path,
    *,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> "subprocess.CompletedProcess[str]":
    """Run a command that sees a private copy of /etc and may change it.

    Args:
        command: program and arguments.
        directory: where the copy goes, `etc` below it; one that is there already is used again,
            so that a second command sees the users that the first made.
        environment: None for ours.
        timeout_s: after that the command is killed and the test fails.
    """
    etc = directory / "etc"
    if not etc.exists():
        subprocess.run(["cp", "-a", "/etc", str(etc)], check=True, timeout=TIMEOUT_S)
    return subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", _SCRIPT, str(etc), *command],
        check=False,
        capture_output=True,
        text=True,
        env=None if environment is None else dict(environment),
        timeout=timeout_s,
    )
