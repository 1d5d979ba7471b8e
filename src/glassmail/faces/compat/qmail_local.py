"""qmail-local: deliver the message on descriptor 0 to one user, or tell how (qmail-local.8).

The work is stations.deliver's, as in the server; Maildir files are synced one by one, forwards
go to the queue as from any submitter.
"""

import os
import socket
import stat
import sys
import time

from glassmail.core.model.outcome import Outcome, Report
from glassmail.core.route.users import User
from glassmail.faces.compat.hand_in import HandIn
from glassmail.faces.compat.options import OptionError, Options
from glassmail.faces.compat.queue_client import NotTakenError
from glassmail.settings.place import Place, find_root
from glassmail.stations.deliver import deliver, dry_run
from glassmail.stations.deliver_alone import finish
from glassmail.stations.deliver_requests import Forward
from glassmail.stations.deliver_wants import Task, Terms
from glassmail.stations.programs import Limits
from glassmail.stations.resolve import USAGE
from glassmail.store.letter import Letter, LetterError, write_all
from glassmail.store.maildir import Folders

PROGRAM_S = 86_400  # a program may run for a day: qmail-local itself never gives up on one
_EXIT = {Outcome.SUCCESS: 0, Outcome.DEFERRAL: 111, Outcome.FAILURE: 100}
_READ_BYTES = 262_144


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    os.umask(0o077)
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    is_dry_run = False
    options = Options(words, b"nN")
    try:
        for letter, _argument in options:
            is_dry_run = letter == b"n"
    except OptionError:
        return _usage()
    if len(options.rest) != 8 or not options.rest[1].startswith(b"/"):
        return _usage()
    name, home, local, dash, ext, host, sender, default_delivery = options.rest
    user = User(name, os.getuid(), os.getgid(), home, dash, ext)
    message = Letter.of(b"") if is_dry_run else _message()
    now = time.time_ns()
    # Like `time.pid.host`, with microseconds: these stand where the server has its numbers.
    task = Task(
        user, local, host, sender, message, now // 1_000 % 1_000_000, os.getpid(), b"",
        now // 1_000_000_000,
    )  # fmt: skip
    terms = _terms(default_delivery)
    if is_dry_run:
        planned = dry_run(task, terms)
        write_all(2, planned.warning)
        write_all(1, planned.said)
        return _tell(planned.report)
    folders = Folders()
    report = finish(deliver(task, terms, folders), None, lambda want: _forward(want, message))
    return _tell(report)


def _usage() -> int:
    write_all(2, USAGE)
    return 100


def _tell(report: Report) -> int:
    write_all(1 if report.outcome is Outcome.SUCCESS else 2, report.text)
    return _EXIT[report.outcome]


def _terms(default_delivery: bytes) -> Terms:
    environment = dict(os.environb)
    return Terms(
        default_delivery=default_delivery,
        host_name=os.fsencode(socket.gethostname()),
        path=environment.get(b"PATH", b"/usr/bin:/bin"),
        limits=Limits(PROGRAM_S),
        own_directories=(os.fsencode(find_root(None)) + b"/bin", b"/var/qmail/bin"),
        environment=tuple(environment.items()),
    )


def _message() -> Letter:
    """Take the message from descriptor 0; a pipe is read to its end first."""
    status = os.fstat(0)
    if stat.S_ISREG(status.st_mode):
        return Letter(b"", None, 0, status.st_size)
    parts = []
    while data := os.read(0, _READ_BYTES):
        parts.append(data)
    return Letter.of(b"".join(parts))


def _forward(want: Forward, letter: Letter) -> None:
    queue = HandIn(Place(find_root(None)))
    try:
        queue.write(want.top)
        for piece in letter.pieces() if want.body is None else (want.body,):
            queue.write(piece)
        want.message = queue.finish(want.sender, want.recipients)
        want.letter = "K"
    except NotTakenError as error:
        want.letter, want.text = os.fsdecode(error.text[:1]), error.text[1:]
    except LetterError:
        want.letter, want.text = "Z", b"qq read error (#4.3.0)"
    finally:
        queue.close()
