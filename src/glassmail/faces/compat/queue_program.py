"""Hand a message to the program that $QMAILQUEUE names, as qmail.c does.

The program gets the message on descriptor 0 and the envelope on descriptor 1, may write a text
to descriptor 6 before it ends with 82, and runs in ROOT, so that its name may be relative to it.
"""

import fcntl
import os
import signal

from glassmail.core.formats.queue_envelope import render
from glassmail.core.formats.queue_exit import CANNOT_EXECUTE, CRASHED, TEXT_BYTES_MAX, text_of
from glassmail.faces.compat.queue_client import NotTakenError

_FIRST_FREE = 10  # our ends of the pipes must not lie where the program expects its own
_TEXT_DESCRIPTOR = 6


class QueueProgram:
    """One run of the program; `write` and `finish` raise NotTakenError."""

    def __init__(self, program: bytes, environment: dict[bytes, bytes]) -> None:
        message_in, self._message = _pipe()
        envelope_in, self._envelope = _pipe()
        self._text, text_out = _pipe()
        self._has_failed = False
        try:
            self._pid = os.posix_spawn(
                program,
                [program],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, message_in, 0),
                    (os.POSIX_SPAWN_DUP2, envelope_in, 1),
                    (os.POSIX_SPAWN_DUP2, text_out, _TEXT_DESCRIPTOR),
                ],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores these two
            )
        except OSError:
            self.close()
            raise NotTakenError(CANNOT_EXECUTE) from None
        finally:
            for descriptor in (message_in, envelope_in, text_out):
                os.close(descriptor)

    def write(self, data: bytes) -> None:
        """Add a piece of the message."""
        self._put(self._message, data)

    def finish(self, sender: bytes, recipients: tuple[bytes, ...]) -> None:
        """Hand over the envelope and wait for the program's verdict."""
        self._message = _close(self._message)
        self._put(self._envelope, render(sender, recipients))
        self._envelope = _close(self._envelope)
        text = b""
        while data := os.read(self._text, TEXT_BYTES_MAX):
            text = (text + data)[:TEXT_BYTES_MAX]
        exit_code = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        if exit_code < 0:
            raise NotTakenError(81, CRASHED)
        if exit_code == 0 and self._has_failed:
            exit_code = 54  # qmail.c: it cannot have read what we could not write
        if exit_code:
            raise NotTakenError(exit_code, text_of(exit_code, text))

    def close(self) -> None:
        """Close what is open; a program that has not had its envelope ends with 54."""
        self._message = _close(self._message)
        self._envelope = _close(self._envelope)
        self._text = _close(self._text)

    def _put(self, descriptor: int, data: bytes) -> None:
        """Write all, unless the program has stopped reading: then its exit code tells why."""
        view = memoryview(data)
        while view and not self._has_failed:
            try:
                view = view[os.write(descriptor, view) :]
            except OSError:
                self._has_failed = True


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


def _close(descriptor: int) -> int:
    if descriptor >= 0:
        os.close(descriptor)
    return -1
