"""Append a message to an mbox file, under its lock, durably, or not at all.

Purpose:
    qmail-local's mbox delivery (qmail-local.c mailfile, mbox.5): a `From ` line, the message
    with `>` before lines that look like one, an empty line.

Always:
    - Success means that the file's content is durable, and its name too when we made it.
    - After an error the file has its old length again, if we held the lock.
    - It may wait LOCK_WAIT_S for the lock: call it where nobody else waits for the caller.
"""

import fcntl
import os
import signal
import stat
from collections.abc import Iterator
from types import FrameType

from glassmail.core.model.system_errors import error_text
from glassmail.store.letter import Letter, LetterError, write_all

LOCK_WAIT_S = 30
LOCKED = b"File has been locked for 30 seconds straight. (#4.3.0)\n"
CHUNK_BYTES = 262_144


class MboxError(Exception):
    """The message is not in the file. `text` is qmail's."""

    def __init__(self, text: bytes) -> None:
        super().__init__(os.fsdecode(text))
        self.text = text


def append(path: bytes, shown: bytes, top: bytes, letter: Letter) -> None:
    """Append `top` (From_ line and headers) and the message; raises MboxError.

    Args:
        path: the file, absolute.
        shown: the name that error texts carry, as written in the dot-qmail file.
        top: UFLINE, RPLINE and DTLINE.
        letter: the message.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC  # open_append.c
    is_new = False
    try:
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            descriptor = os.open(path, flags | os.O_CREAT, 0o600)
            is_new = True
    except OSError as error:
        raise _error(b"open", shown, error, b"(#4.2.1)") from error
    try:
        is_locked = _lock(descriptor)
        start = os.lseek(descriptor, 0, os.SEEK_END) if _is_regular(descriptor) else -1
        try:
            for chunk in mbox_lines(top, letter):
                write_all(descriptor, chunk)
            os.fsync(descriptor)
            if is_new:
                _sync_directory(path)
        except (OSError, LetterError) as error:
            if is_locked and start >= 0:
                os.ftruncate(descriptor, start)
            if isinstance(error, LetterError):
                raise MboxError(b"Unable to read message: %s. (#4.3.0)\n" % _text(error)) from error
            raise _error(b"write", shown, error, b"(#4.3.0)") from error
    finally:
        os.close(descriptor)


def mbox_lines(top: bytes, letter: Letter) -> Iterator[bytes]:
    """Yield what is appended, in chunks: quoted lines, a last newline, an empty line."""
    yield top
    pending = b""
    for piece in letter.pieces():
        pending += piece
        cut = pending.rfind(b"\n") + 1
        if cut and len(pending) >= CHUNK_BYTES:
            yield quote(pending[:cut])
            pending = pending[cut:]
    yield quote(pending)
    yield b"\n\n" if pending and not pending.endswith(b"\n") else b"\n"


def quote(lines: bytes) -> bytes:
    """Put `>` before lines of the form `>*From ` (gfrom.c); lines begins at a line's start."""
    if b"From " not in lines:
        return lines
    quoted = []
    for line in lines.split(b"\n"):
        is_from_line = line.lstrip(b">").startswith(b"From ")
        quoted.append(b">" + line if is_from_line else line)
    return b"\n".join(quoted)


def _lock(descriptor: int) -> bool:
    def too_long(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    try:
        signal.alarm(LOCK_WAIT_S)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except TimeoutError as error:
        raise MboxError(LOCKED) from error
    except OSError:
        return False  # a filesystem without locks: qmail-local.c appends all the same
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return True


def _sync_directory(path: bytes) -> None:
    directory = os.open(os.path.dirname(path) or b".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _is_regular(descriptor: int) -> bool:
    return stat.S_ISREG(os.fstat(descriptor).st_mode)


def _error(verb: bytes, shown: bytes, error: OSError, code: bytes) -> MboxError:
    return MboxError(b"Unable to %s %s: %s. %s\n" % (verb, shown, _text(error), code))


def _text(error: Exception) -> bytes:
    if isinstance(error, OSError):
        return error_text(error)
    return str(error).encode("utf-8", "backslashreplace")
