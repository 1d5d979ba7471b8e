"""qmail-inject: complete a message's header and queue it (qmail-inject.8; probe-inject.txt).

May touch:
    Descriptor 0 (the message), the control files defaultdomain, defaulthost, idhost, plusdomain
    and me, $QMAILMFTFILE, and the queue. Runs in ROOT, as in qmail.

Exit codes: 0; 100 for a message or arguments that cannot be right; 111 to try again later.
"""

import gc
import os
import signal
import time

from glassmail.core.formats.control_line import parse_line
from glassmail.core.formats.header_fields import HeaderSplitter, HeaderTooLongError
from glassmail.core.formats.header_identity import Identity
from glassmail.core.formats.header_inject import Injection, followup_field
from glassmail.core.formats.header_rewrite import HeaderError, Rewriter
from glassmail.core.formats.quote import quote_address
from glassmail.core.model.limits import INJECT_HEADER_BYTES_MAX
from glassmail.faces.compat.hand_in import HandIn
from glassmail.faces.compat.options import OptionError, Options
from glassmail.faces.compat.queue_client import NotTakenError
from glassmail.settings.place import ROOT_VARIABLE, Place, find_root

TYPE_CHECKING = False  # typing.TYPE_CHECKING would cost the import of typing
if TYPE_CHECKING:
    from glassmail.faces.compat.queue_program import QueueProgram

_READ_BYTES = 65_536
_FILE_BYTES_MAX = 1_048_576  # read of a control file or $QMAILMFTFILE
_SETTINGS = ("defaultdomain", "defaulthost", "plusdomain", "idhost")


class _TroubleError(Exception):
    """Something that may go better later; str() is what follows `fatal: `."""


class _Output:
    """Descriptor 1 in the queue's place, for -n."""

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]

    def finish(self, sender: bytes, recipients: tuple[bytes, ...]) -> None:
        """Nothing follows the message."""

    def close(self) -> None:
        """Descriptor 1 stays open."""


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    import sys

    words = sys.argv[1:] if argv is None else argv
    exit_code = inject([os.fsencode(word) for word in words], dict(os.environb))
    if argv is None:
        os._exit(exit_code)  # taking the interpreter down would cost 3 ms of 20
    return exit_code


def inject(words: list[bytes], environment: dict[bytes, bytes]) -> int:
    """Do what qmail-inject does with these arguments and this environment; return its exit code."""
    gc.disable()  # a short life; a header with very many addresses is read twice as fast
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        _run(words, environment)
    except OptionError as error:
        _say(b"qmail-inject: %b\n" % os.fsencode(str(error)))
        return 100
    except HeaderError as error:
        _say(b"qmail-inject: fatal: " + error.text)
        return 100
    except HeaderTooLongError:
        _say(b"qmail-inject: fatal: header of more than %d bytes\n" % INJECT_HEADER_BYTES_MAX)
        return 100
    except NotTakenError as refusal:
        _say(b"qmail-inject: fatal: %b\n" % refusal.text[1:])
        return 100 if refusal.text.startswith(b"D") else 111
    except _TroubleError as error:
        _say(b"qmail-inject: fatal: %b\n" % str(error).encode("ascii"))
        return 111
    except MemoryError:
        _say(b"qmail-inject: fatal: out of memory\n")
        return 111
    return 0


class _Wishes:
    """What the options ask for; -A, the default, means the arguments if there are any."""

    def __init__(self) -> None:
        self.use_arguments = True
        self.use_header = True
        self.is_default = True
        self.is_queueing = True
        self.words: list[bytes] = []

    def choose(self, letter: bytes) -> None:
        """Take one of -a -h -H -A -n -N."""
        if letter in {b"n", b"N"}:
            self.is_queueing = letter == b"N"
            return
        self.is_default = letter == b"A"
        self.use_arguments = letter != b"h"
        self.use_header = letter != b"a"

    def settle(self, words: list[bytes]) -> None:
        """Take the words after the options."""
        if self.is_default:
            self.use_header = not words
        self.words = words if self.use_arguments else []


def _run(words: list[bytes], environment: dict[bytes, bytes]) -> None:
    own_lists = _own_lists(environment.get(b"QMAILMFTFILE"))
    place = Place(find_root(None))
    environment[ROOT_VARIABLE.encode("ascii")] = os.fsencode(place.root)
    try:
        os.chdir(place.root)
    except OSError:
        from glassmail.faces.compat.missing_root import tell_person

        tell_person("qmail-inject", place.root)
        raise _TroubleError("internal bug") from None  # qmail's words for a missing home
    domain, host, plus, id_host = (_setting(place, name, environment) for name in _SETTINGS)
    letters = environment.get(b"QMAILINJECT", b"")
    injection = Injection(letters, Identity(environment), Rewriter(domain, host, plus))

    wishes = _read_options(words, injection)
    for word in wishes.words:
        injection.add_recipient(word)
    splitter = _read_header()
    for field in splitter.fields:
        injection.add_field(field)
    followup = followup_field(injection.listed, own_lists)
    if injection.has(b"mail-followup-to"):
        followup = b""
    header = injection.header(int(time.time()), os.getpid(), followup, id_host)
    recipients = injection.recipients + (injection.from_header() if wishes.use_header else [])
    queue = _queue(place, environment) if wishes.is_queueing else _Output()
    sender = injection.sender or b""
    if not wishes.is_queueing:
        shown = quote_address(sender.replace(b"\n", b"_"))
        header = b"Return-Path: <" + shown + b">\n" + header
    _send(queue, sender, tuple(recipients), header + splitter.body)


def _read_options(words: list[bytes], injection: Injection) -> _Wishes:
    wishes = _Wishes()
    options = Options(words, b"aAhHnNf:")
    for letter, argument in options:
        if letter == b"f":
            injection.name_sender(argument)
        else:
            wishes.choose(letter)
    wishes.settle(options.rest)
    return wishes


def _read_header() -> HeaderSplitter:
    splitter = HeaderSplitter()
    while not splitter.is_complete:
        data = _read()
        if data:
            splitter.feed(data)
        else:
            splitter.end_of_file()
    return splitter


def _queue(place: Place, environment: dict[bytes, bytes]) -> "HandIn | QueueProgram":
    program = environment.get(b"QMAILQUEUE")
    if not program:
        return HandIn(place)
    from glassmail.faces.compat.queue_program import QueueProgram

    return QueueProgram(program, environment)


def _send(
    queue: "HandIn | QueueProgram | _Output",
    sender: bytes,
    recipients: tuple[bytes, ...],
    start: bytes,
) -> None:
    """Hand over `start` and the rest of descriptor 0."""
    try:
        last = b"\n"
        while start:
            queue.write(start)
            last = start[-1:]
            start = _read()
        if last != b"\n":
            queue.write(b"\n")
        queue.finish(sender, recipients)
    except BrokenPipeError:
        raise _TroubleError("write error") from None
    finally:
        queue.close()


def _setting(place: Place, name: str, environment: dict[bytes, bytes]) -> bytes:
    """Return a LINE setting: from the environment, its file, `me`, else its own name.

    settings.control_files declares the same; importing it would cost 20 ms (a test compares).
    """
    from_file = _control_line(place, name)
    variable = b"QMAIL" + name.upper().encode("ascii")
    if variable in environment:
        return environment[variable]
    if from_file is None:
        from_file = _control_line(place, "me")
    return name.encode("ascii") if from_file is None else from_file


def _control_line(place: Place, name: str) -> bytes | None:
    data = _file(os.path.join(place.control, name))
    return None if data is None else parse_line(data)


def _own_lists(path: bytes | None) -> frozenset[bytes]:
    if path is None:
        return frozenset()
    from glassmail.core.formats.control import lines_of

    return frozenset(line.lower() for _number, line in lines_of(_file(path) or b""))


def _file(path: str | bytes) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read(_FILE_BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError:
        raise _TroubleError("read error") from None


def _read() -> bytes:
    try:
        return os.read(0, _READ_BYTES)
    except OSError:
        raise _TroubleError("read error") from None


def _say(text: bytes) -> None:
    os.write(2, text)
