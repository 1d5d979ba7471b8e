"""qmail-qmaint: look through the queue, or take a message out of it (s/qmail's qmail-qmaint.8).

`-i` inspects: what `glass queue check` finds. `-d messid` deletes a message; `-D`, which s/qmail
wants for really doing it, is accepted. While the server runs it is asked to drop the message;
else it is written to queue/aside and leaves the database.

Exit codes: 0 all is well or done; 99 faults were found, or there is no such message; 100 wrong
usage; 110 the queue cannot be looked at or changed.
"""

import os
import sys

from glassmail.admin import queue_check
from glassmail.admin.queue_check import CheckError
from glassmail.admin.requests import RequestError, ask
from glassmail.faces.compat.options import OptionError, Options
from glassmail.settings.place import Place, find_root

FOUND, USAGE, TROUBLE = 99, 100, 110
_USAGE = "qmail-qmaint: usage: qmail-qmaint [ -i ] [ -d messid [ -D ] ]\n"


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    inspects, message = False, b""
    options = Options(words, b"id:D")
    try:
        for letter, argument in options:
            inspects = inspects or letter == b"i"
            message = argument if letter == b"d" else message
    except OptionError as error:
        return _fail(USAGE, f"{error}\n{_USAGE}")
    if options.rest or inspects == bool(message) or message.strip(b"0123456789"):
        return _fail(USAGE, _USAGE)
    place = Place(find_root(None))
    try:
        return _inspect(place) if inspects else _delete(place, int(message[:18]))
    except CheckError as error:
        return _fail(TROUBLE, f"qmail-qmaint: fatal: {error}\n")
    except RequestError as error:
        return _fail(FOUND if error.exit_code == 1 else TROUBLE, f"qmail-qmaint: {error}\n")


def _inspect(place: Place) -> int:
    found = queue_check.check(place)
    for finding in found.findings:
        text = f"{finding.subject} {finding.sentence}"
        sys.stdout.write("".join(c if c.isprintable() else "?" for c in text) + "\n")
    if not found.is_complete:
        sys.stdout.write("the database was not looked at: the running server owns it\n")
    return FOUND if found.findings else 0


def _delete(place: Place, message: int) -> int:
    if queue_check.is_running(place):
        for _row in ask(place.queue_socket, "drop", message=message):
            sys.stdout.write(f"message {message} deleted\n")
        return 0
    with queue_check.alone(place):
        if not queue_check.take_out(place, message):
            return _fail(FOUND, f"qmail-qmaint: there is no message {message}\n")
    sys.stdout.write(f"message {message} is now queue/aside/message.{message}\n")
    return 0


def _fail(code: int, text: str) -> int:
    sys.stderr.write(text)
    return code
