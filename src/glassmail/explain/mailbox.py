"""Whether the mailbox that a dot-qmail line names could be written to."""

import os
import stat

from glassmail.core.model.system_errors import error_text
from glassmail.core.model.trail import NO, UNKNOWN, YES, Step


def maildir_step(path: bytes) -> Step:
    """Look at a Maildir with our present rights: its new, cur and tmp."""
    for name in (b"new", b"cur", b"tmp"):
        part = os.path.join(path, name)
        try:
            mode = os.stat(part).st_mode
        except OSError as error:
            return _trouble(path, part, error)
        if not stat.S_ISDIR(mode):
            return _step(path, NO, f"{os.fsdecode(part)} is no directory")
    # A message is written to tmp and moved to new; cur is the mail reader's.
    for name in (b"tmp", b"new"):
        part = os.path.join(path, name)
        if not os.access(part, os.W_OK | os.X_OK, effective_ids=True):
            return _step(path, NO, f"{os.fsdecode(part)} may not be written to")
    return _step(path, YES, "a Maildir that may be written to")


def mbox_step(path: bytes) -> Step:
    """Look at an mbox file with our present rights; a missing one is made by the delivery."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if os.access(parent, os.W_OK | os.X_OK, effective_ids=True):
            return _step(path, YES, "it will be made by the first delivery")
        return _step(path, NO, f"there is none, and {os.fsdecode(parent)} may not be written to")
    except OSError as error:
        return _trouble(path, path, error)
    if stat.S_ISDIR(mode):
        return _step(path, NO, "it is a directory: a line for a Maildir ends in a slash")
    if not os.access(path, os.W_OK, effective_ids=True):
        return _step(path, NO, f"mode {stat.S_IMODE(mode):04o}: it may not be written to")
    return _step(path, YES, f"an mbox file, mode {stat.S_IMODE(mode):04o}")


def _trouble(path: bytes, part: bytes, error: OSError) -> Step:
    answer = UNKNOWN if isinstance(error, PermissionError) else NO
    return _step(path, answer, f"{os.fsdecode(part)}: {error_text(error).decode()}")


def _step(path: bytes, answer: str, source: str) -> Step:
    return Step("routing.mailbox", path, answer, source)
