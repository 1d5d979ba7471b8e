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
    pending = b""  # what follows the last line's end, or the beginning of it that went out
    is_begun = False  # the beginning of pending's line went out: nothing more to quote in it
    last = b"\n"
    for piece in letter.pieces():
        pending += piece
        if len(pending) < CHUNK_BYTES:
            continue
        ready, pending, is_begun = _ready(pending, is_begun)
        if ready:
            yield ready
            last = ready[-1:]
    if pending:
        yield _quote_rest(pending, is_begun)
        last = pending[-1:]
    yield b"\n" if last == b"\n" else b"\n\n"


def _ready(data: bytes, is_begun: bool) -> tuple[bytes, bytes, bool]:
    """Quote what can be told of by now: (that, the rest, has the rest's line begun to go out?)."""
    cut = data.rfind(b"\n") + 1
    if cut:
        return _quote_rest(data[:cut], is_begun), data[cut:], False
    if is_begun:
        return data, b"", True
    rest = data.lstrip(b">")
    if len(rest) < len(b"From "):  # one more `>` may follow those that go out now
        return data[: len(data) - len(rest)], rest, False
    return quote(data), b"", True


def _quote_rest(lines: bytes, is_begun: bool) -> bytes:
    """Quote lines, but not the first when its beginning went out before."""
    if not is_begun:
        return quote(lines)
    first, end, others = lines.partition(b"\n")
    return first + end + quote(others)


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
