"""A mount namespace with an /etc of its own that several commands can enter.

tests/sandbox.py runs one command so; a server and the commands that watch it need the same one.
"""

import shutil
import subprocess

from tests.sandbox import NEEDS, can_have_private_etc

_SCRIPT = 'mount --bind "$0" /etc && echo made && exec cat >/dev/null'


class Namespace:
    """Lives until `close`, or until the test's process ends, whichever comes first."""

    def __init__(self, directory):
        etc = directory / "etc"
        subprocess.run(["cp", "-a", "/etc", str(etc)], check=True, timeout=60)
        self._holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", _SCRIPT, str(etc)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout.readline() == b"made\n", NEEDS
        self.pid = self._holder.pid

    def close(self):
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(10)


def why_not():
    """Return why no such namespace can be had, empty when it can."""
    if shutil.which("nsenter") is None or shutil.which("setpriv") is None:
        return "needs nsenter(1) and setpriv(1)"
    return "" if can_have_private_etc() else NEEDS
