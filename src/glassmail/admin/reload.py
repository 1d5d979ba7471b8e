"""Tell a running server that its tables have changed."""

import fcntl
import json
import os
import signal
from typing import Any

from glassmail.admin.changes import Changes
from glassmail.settings.place import Place


def supervisor_pid(place: Place) -> int:
    """Return the running supervisor's process id, 0 when none runs (its lock tells)."""
    try:
        descriptor = os.open(place.supervisor_pid, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).strip()
        return int(text) if text and not text.strip(b"0123456789") else 0
    finally:
        os.close(descriptor)
    return 0


def signal_queue(place: Place, changes: Changes) -> None:
    """Let the queue read locals and virtualdomains again (HUP), if a server runs here."""
    pid = supervisor_pid(place)
    if not pid:
        return  # it will read them at its start
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        return  # it ended just now
    except PermissionError:
        changes.note("the server still uses the tables of before: glass reload, as root")
        return
    changes.tell("the running server was told to read its tables again")


def supervisor_status(place: Place) -> dict[str, Any] | None:
    """Return what the supervisor tells of itself and its children; None when none runs.

    Raises:
        OSError, ValueError: run/status.json cannot be read.
    """
    if not supervisor_pid(place):
        return None
    with open(place.status_file, encoding="utf-8") as file:
        site: dict[str, Any] = json.load(file)
    return site
