"""Run a change in a child and kill it at its n-th call of the system, for every n.

The site lies at the same path each time, since its files name it.
"""

import os
import shutil
import signal
from pathlib import Path

CALLS = ("open", "rename", "mkdir", "unlink", "rmdir", "fsync", "fchmod", "utime", "chown")


class KillPoints:
    """A site and its state before the change."""

    def __init__(self, root, change):
        self.root = Path(root)
        self.spare = Path(f"{root}.before")
        shutil.copytree(self.root, self.spare, symlinks=True)
        self._change = change

    def restore(self):
        shutil.rmtree(self.root)
        shutil.copytree(self.spare, self.root, symlinks=True)

    def run(self, kill_at):
        """Make the change; return False when it was killed."""
        child = os.fork()
        if not child:
            try:
                _count_down(kill_at)
                self._change()
                os._exit(0)
            except BaseException:
                os._exit(1)
        status = os.waitpid(child, 0)[1]
        assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFEXITED(status)

    def each(self, most=600):
        """Yield after each kill, the site as it was left; ends when the change gets through."""
        for number in range(1, most):
            self.restore()
            if self.run(number):
                return
            yield number
        raise AssertionError(f"more than {most} calls")


def _count_down(left):
    count = [left]

    def wrap(real, is_skipped):
        def call(*args, **kwargs):
            count[0] -= 1
            if not count[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            # No power is cut here: what was written is there without syncing.
            return None if is_skipped else real(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, wrap(getattr(os, name), name == "fsync"))


def tree(root):
    """Return {path: content or link} of all files; times and locks do not count."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            short = os.path.relpath(path, root)
            if name.endswith(".lock"):
                continue
            if os.path.islink(path):
                found[short] = os.readlink(path)
            else:
                found[short] = None if os.path.isdir(path) else Path(path).read_bytes()
    return found
