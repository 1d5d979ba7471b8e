"""sendmail, mailq and newaliases by one name each, as qmail's sendmail.c does.

-t, -f, -F and the recipients go to qmail-inject; -bp is qmail-qread; the rest of what sendmail
knows is accepted and means nothing. -bs is a session with the running server.
"""

import os
import sys

from glassmail.faces.compat.options import OptionError, Options
from glassmail.settings.place import ROOT_VARIABLE, find_root

_OPTIONS = b"vimte:f:p:o:B:F:EJxb:"
_USAGE = (
    b"sendmail: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]\n"
)
_NO_NEWALIASES = b"sendmail: fatal: please use fastforward/newaliases instead\n"
_NO_HOME = b"sendmail: fatal: unable to switch to qmail home directory\n"
_OTHER_SENDERS = (b"QMAILNAME", b"MAILNAME", b"NAME", b"QMAILHOST", b"MAILHOST")


class _Asked:
    """What the options ask for."""

    def __init__(self) -> None:
        self.mode = b"m"
        self.is_from_header = False
        self.sender: bytes | None = None
        self.name: bytes | None = None
        self.recipients: list[bytes] = []


def main(argv: list[str] | None = None, program: str | None = None) -> int:
    """Run the command; it is mailq or newaliases when called so."""
    words = [os.fsencode(word) for word in (sys.argv[1:] if argv is None else argv)]
    exit_code = _run(words, os.path.basename(sys.argv[0] if program is None else program))
    if argv is None:
        os._exit(exit_code)  # taking the interpreter down would cost 3 ms of 25
    return exit_code


def _run(words: list[bytes], name: str) -> int:
    try:
        os.environ[ROOT_VARIABLE] = find_root(None)  # it may be relative to where we came from
        os.chdir(os.environ[ROOT_VARIABLE])
    except OSError:
        from glassmail.faces.compat.missing_root import tell_person

        os.write(2, _NO_HOME)
        tell_person("sendmail", find_root(None))
        return 111
    try:
        asked = _read_options(words)
    except OptionError as error:
        os.write(2, os.fsencode(f"{name}: {error}\n") + _USAGE)
        return 100
    if asked.mode not in {b"m", b"p", b"s"}:
        os.write(2, _USAGE)
        return 100
    if asked.mode == b"s":
        from glassmail.faces.compat import smtp_session
        from glassmail.settings.place import Place

        return smtp_session.run(Place(find_root(None)))
    if asked.mode == b"p" or name == "mailq":
        from glassmail.faces.compat import qmail_qread

        return qmail_qread.main([])
    if name == "newaliases":
        os.write(2, _NO_NEWALIASES)
        return 100
    return _inject(asked)


def _read_options(words: list[bytes]) -> _Asked:
    asked = _Asked()
    options = Options(words, _OPTIONS)
    for letter, argument in options:
        if letter == b"t":
            asked.is_from_header = True
        elif letter == b"f":
            asked.sender = argument
        elif letter == b"F":
            asked.name = argument
        elif letter in {b"E", b"J"}:
            options.skip_rest_of_word()
        elif letter == b"b":
            asked.mode = argument[:1]
            if asked.mode != b"m":
                break  # sendmail.c goes there at once
    asked.recipients = options.rest
    return asked


def _inject(asked: _Asked) -> int:
    from glassmail.faces.compat import qmail_inject

    environment = dict(os.environb)
    words = [b"-H" if asked.is_from_header else b"-a"]
    if asked.name is not None:
        environment[b"MAILNAME"] = asked.name
    if asked.sender is not None:
        words += (b"-f", asked.sender)
        _set_sender(environment, asked.sender)
    return qmail_inject.inject([*words, b"--", *asked.recipients], environment)


def _set_sender(environment: dict[bytes, bytes], sender: bytes) -> None:
    """Make the sender the From address too, without anybody's name (sendmail.c do_sender)."""
    for name in _OTHER_SENDERS:
        environment.pop(name, None)
    user, at, host = sender.rpartition(b"@")
    environment[b"QMAILUSER"] = user if at else sender
    if at:
        environment[b"QMAILHOST"] = host
