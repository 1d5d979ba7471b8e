"""qmail-queue: message on descriptor 0, envelope on descriptor 1, an exit code for an answer.

Source: qmail-queue.8, qmail-queue.c, envelopes.5; probe-qmail-queue-exit.txt. The queue itself
writes the Received line, with the uid that the kernel tells it.
"""

import os
import signal

from glassmail.core.formats.queue_envelope import EnvelopeError, EnvelopeParser
from glassmail.faces.compat.hand_in import HandIn
from glassmail.faces.compat.queue_client import NotTakenError
from glassmail.settings.place import Place, find_root

DEATH_S = 86_400  # qmail-queue.c DEATH: a caller may take this long
_READ_BYTES = 65_536
_IGNORED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGVTALRM", "SIGPROF", "SIGXCPU", "SIGXFSZ")


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    exit_code = _hand_in()
    if argv is None:
        os._exit(exit_code)  # taking the interpreter down would cost 3 ms of 20
    return exit_code


def _hand_in() -> int:
    os.umask(0o033)
    _set_signals()
    hand_in = HandIn(Place(find_root(None)))
    try:
        _copy_message(hand_in)
        sender, recipients = _read_envelope()
        hand_in.finish(sender, recipients)
    except (NotTakenError, EnvelopeError) as refusal:
        return refusal.exit_code
    except MemoryError:
        return 51
    finally:
        hand_in.close()
    return 0


def _copy_message(hand_in: HandIn) -> None:
    while data := _read(0):
        hand_in.write(data)


def _read_envelope() -> tuple[bytes, tuple[bytes, ...]]:
    parser = EnvelopeParser()
    while not parser.is_complete:
        data = _read(1)
        if not data:
            parser.end_of_file()
        parser.feed(data)
    return parser.sender or b"", tuple(parser.recipients)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _READ_BYTES)
    except OSError:
        raise NotTakenError(54) from None


def _set_signals() -> None:
    """End with 52 after a day; a hang-up or a typed interrupt does not stop a hand-in."""
    for name in _IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(52))
    signal.alarm(DEATH_S)
