"""The commands forward, condredirect, bouncesaying, except and preline, as programs of their own.

What they do is stations.deliver_own's, the same as inside a delivery; here the message is on
descriptor 0, programs inherit our outputs, and forwards go to the queue as from any submitter.
"""

import os
import signal

from glassmail.core.model.system_errors import error_text
from glassmail.faces.compat.hand_in import HandIn
from glassmail.faces.compat.queue_client import NotTakenError
from glassmail.faces.compat.queue_program import QueueProgram
from glassmail.settings.place import Place, find_root
from glassmail.stations.deliver_own import PROGRAMS
from glassmail.stations.deliver_requests import Forward, Run
from glassmail.stations.programs import Ended, find_program
from glassmail.store.letter import write_all

_READ_BYTES = 65_536


class _TroubleError(Exception):
    """Something that may go better later; str() is what follows `fatal: `."""


def main(program: bytes, argv: list[str] | None) -> int:
    """Run one of them; return its exit code.

    Args:
        program: which.
        argv: its arguments, None for those of the process.
    """
    import sys

    words = sys.argv[1:] if argv is None else argv
    environment = dict(os.environb)
    course = PROGRAMS[program](tuple(os.fsencode(word) for word in words), environment)
    try:
        while True:
            try:
                want = next(course)
            except StopIteration as stop:
                ended: Ended = stop.value
                write_all(2, ended.output)
                return ended.exit_code
            if isinstance(want, Forward):
                _forward(want, environment, must_rewind=program == b"condredirect")
            elif isinstance(want, Run):
                _run(want, environment)
            else:
                raise _TroubleError(f"{os.fsdecode(program)} runs in dot-qmail files only")
    except _TroubleError as error:
        write_all(2, program + b": fatal: " + os.fsencode(str(error)) + b"\n")
        return 111


def _forward(want: Forward, environment: dict[bytes, bytes], *, must_rewind: bool) -> None:
    if must_rewind:
        try:
            os.lseek(0, 0, os.SEEK_SET)
        except OSError as error:
            raise _trouble("unable to rewind: ", error) from error
    program = environment.get(b"QMAILQUEUE")
    try:
        queue = QueueProgram(program, environment) if program else HandIn(Place(find_root(None)))
        try:
            queue.write(want.top)
            while data := _read():
                queue.write(data)
            want.message = queue.finish(want.sender, want.recipients) or 0
        finally:
            queue.close()
    except NotTakenError as error:
        want.letter, want.text = os.fsdecode(error.text[:1]), error.text[1:]
    else:
        want.letter = "K"


def _run(want: Run, environment: dict[bytes, bytes]) -> None:
    """Start a program and wait for it; with lines to put on top it reads from a pipe."""
    path = find_program(want.arguments[0], environment.get(b"PATH", b"/usr/bin:/bin"))
    reader, writer = os.pipe2(os.O_CLOEXEC) if want.top else (0, -1)
    try:
        if path is None:
            raise FileNotFoundError(2, os.strerror(2))
        pid = os.posix_spawn(
            path,
            want.arguments,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)] if want.top else [],
            setsigdef=[signal.SIGPIPE],
        )
    except OSError as error:
        want.error = error
        if writer >= 0:
            os.close(writer)
        return
    finally:
        if reader:
            os.close(reader)
    if writer >= 0:
        _copy(want.top, writer)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    want.ended = Ended(max(status, 0), b"", is_crash=status < 0)


def _copy(top: bytes, writer: int) -> None:
    """Write lines and message; a program that does not read them all is none of our concern."""
    try:
        write_all(writer, top)
        while data := _read():
            write_all(writer, data)
    except BrokenPipeError:
        pass  # it has read what it wanted
    finally:
        os.close(writer)


def _read() -> bytes:
    try:
        return os.read(0, _READ_BYTES)
    except OSError as error:
        raise _trouble("unable to read message: ", error) from error


def _trouble(what: str, error: OSError) -> _TroubleError:
    return _TroubleError(what + error_text(error).decode())
