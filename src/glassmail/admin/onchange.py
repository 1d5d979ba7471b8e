"""The administrator's script that hears of every change: HOME/etc/onchange (README.onchange).

It is called with what was done and to what: `add_domain example.com`, `mod_user bob@example.com`.
Additions and changes are told after they were made, removals before. Only the change that was
asked for is told, not those that it consists of.

Always:
    The script runs as whoever makes the change, except that root does not run what somebody else
    could write to: it runs as the script's owner then.
"""

import os
import stat
import subprocess

from glassmail.admin.changes import Changes
from glassmail.admin.site import Site

SECONDS_MAX = 300.0


def call(site: Site, changes: Changes, what: str, *subjects: bytes) -> None:
    """Run the script, if there is one; its failure is a note, for the change is made."""
    path = site.etc("onchange")
    try:
        status = os.stat(path)
    except OSError:
        return  # none, or none that we may see
    if not stat.S_ISREG(status.st_mode) or not os.access(path, os.X_OK):
        return
    user: int | None = None
    group: int | None = None
    if os.geteuid() == 0 and not _is_roots_alone(path, status):
        user, group = status.st_uid, status.st_gid
        if user == 0:
            changes.note(f"{path}: root does not run it, for others may write to it: chmod go-w")
            return
    try:
        done = subprocess.run(
            [os.fsencode(path), what, *subjects],
            check=False,
            timeout=SECONDS_MAX,
            stdin=subprocess.DEVNULL,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        changes.note(f"{path}: {error}")
        return
    if done.returncode:
        changes.note(f"{path} {what}: it ended with {done.returncode}")


def _is_roots_alone(path: str, status: os.stat_result) -> bool:
    directory = os.stat(os.path.dirname(path))
    return all(s.st_uid == 0 and not s.st_mode & 0o022 for s in (status, directory))
