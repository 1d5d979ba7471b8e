"""maildir2mbox: move the mail of a Maildir into an mbox file (maildir2mbox.1).

Directories and names come from MAILDIR, MAIL and MAILTMP. The new mbox is complete and durable
before it takes the old one's place, and only then messages leave the Maildir.
"""

import fcntl
import os
import time

from glassmail.core.formats.date import from_line as from_line_date
from glassmail.core.model.system_errors import error_text
from glassmail.store.letter import Letter, LetterError, write_all
from glassmail.store.mbox import mbox_lines

TMP_KEPT_S = 129_600  # maildir.5: what was not read for 36 hours in tmp/ is left over
_COPY_BYTES = 262_144
_RETURN_PATH = b"Return-Path: <"


class _FatalError(Exception):
    """Ends the command with 111; `args[0]` is what follows `fatal: `."""


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    os.umask(0o077)
    try:
        _run(dict(os.environb))
    except _FatalError as error:
        write_all(2, b"maildir2mbox: fatal: " + error.args[0] + b"\n")
        return 111
    return 0


def _run(environment: dict[bytes, bytes]) -> None:
    for name in (b"MAIL", b"MAILTMP", b"MAILDIR"):
        if name not in environment:
            raise _FatalError(name + b" not set")
    mbox, temporary = environment[b"MAIL"], environment[b"MAILTMP"]
    with _trouble(b"chdir to", environment[b"MAILDIR"]):
        os.chdir(environment[b"MAILDIR"])
    _clean()
    messages = _scan()
    if not messages:
        return
    with _trouble(b"lock", mbox):
        lock = os.open(mbox, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
    with _trouble(b"create", temporary):
        output = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o644)
    _copy_mbox(mbox, temporary, output)
    for changed, name in messages:
        _append(name, changed, temporary, output)
    with _trouble(b"write to", temporary):
        os.fsync(output)
        os.close(output)
    with _trouble(b"move", temporary + b" to " + mbox):
        os.rename(temporary, mbox)
        directory = os.open(os.path.dirname(mbox) or b".", os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(directory)
    for _changed, name in messages:
        _unlink(name)


class _trouble:  # noqa: N801 (reads as a statement)
    """Turn an OSError of the block into the command's end."""

    def __init__(self, verb: bytes, what: bytes) -> None:
        self._text = b"unable to " + verb + b" " + what + b": "

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, LetterError) and isinstance(error.__cause__, OSError):
            error = error.__cause__
        if isinstance(error, OSError):
            raise _FatalError(self._text + error_text(error)) from error


def _clean() -> None:
    """Remove what nobody has read for long from tmp/ (maildir.c maildir_clean)."""
    try:
        names = os.listdir(b"tmp")
    except OSError:
        return  # as in qmail: without tmp/ there is nothing to clean
    for name in names:
        path = b"tmp/" + name
        try:
            if not name.startswith(b".") and time.time() > os.stat(path).st_atime + TMP_KEPT_S:
                os.unlink(path)
        except OSError:
            continue  # gone meanwhile, or not ours: it disturbs nobody


def _scan() -> list[tuple[int, bytes]]:
    """List the messages by age; those of this very second wait, to keep the order."""
    now = int(time.time())
    found = []
    for directory in (b"new", b"cur"):
        with _trouble(b"scan", b"$MAILDIR/" + directory):
            names = os.listdir(directory)
        for name in names:
            path = directory + b"/" + name
            try:
                changed = int(os.stat(path).st_mtime)
            except OSError:
                continue  # gone meanwhile
            if not name.startswith(b".") and changed < now:
                found.append((changed, path))
    return sorted(found)


def _copy_mbox(mbox: bytes, temporary: bytes, output: int) -> None:
    with _trouble(b"read", mbox):
        source = os.open(mbox, os.O_RDONLY | os.O_NONBLOCK)
    while True:
        with _trouble(b"read", mbox):
            data = os.read(source, _COPY_BYTES)
        if not data:
            os.close(source)
            return
        with _trouble(b"write to", temporary):
            write_all(output, data)


def _append(name: bytes, changed: int, temporary: bytes, output: int) -> None:
    with _trouble(b"read", b"$MAILDIR/" + name):
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
        letter = Letter(b"", None, descriptor, os.fstat(descriptor).st_size)
        chunks = mbox_lines(_from_line(letter.start(_COPY_BYTES), changed), letter)
    while True:
        with _trouble(b"read", b"$MAILDIR/" + name):
            chunk = next(chunks, None)
        if chunk is None:
            letter.release()
            return
        with _trouble(b"write to", temporary):
            write_all(output, chunk)


def _from_line(start: bytes, changed: int) -> bytes:
    """Make the From_ line from the Return-Path line, which a delivery puts first."""
    line, newline, _rest = start.partition(b"\n")
    sender = b"XXX"
    if newline and line.startswith(_RETURN_PATH):
        sender = line[len(_RETURN_PATH) : -1].replace(b" ", b"-").replace(b"\t", b"-")
        sender = sender or b"MAILER-DAEMON"
    return b"From " + sender + b" " + from_line_date(changed) + b"\n"


def _unlink(name: bytes) -> None:
    try:
        os.unlink(name)
    except OSError as error:
        write_all(
            2,
            b"maildir2mbox: warning: $MAILDIR/" + name
            + b" will be delivered twice; unable to unlink: " + error_text(error) + b"\n",
        )  # fmt: skip
