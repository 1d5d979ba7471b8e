"""What vpopmail's commands share: options, addresses, errors, exit codes.

Options are read as by getopt(3) of the C library: they may stand behind the arguments, and `--`
ends them. What a command refuses it says on standard output in vpopmail's words, and exits with
vpopmail's number; which rule it was stands on standard error besides.
"""

import getpass
import os
import secrets
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import NoReturn

from glassmail.admin.account_error import AccountError
from glassmail.admin.account_rules import check_domain, check_name
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.core.formats.control import parse_line
from glassmail.core.model import vpopmail_faults
from glassmail.core.model.vpopmail_faults import TEXTS, Fault
from glassmail.core.route import mailbox
from glassmail.settings.place import Place, find_root
from glassmail.store.account_writer import AccountChangeError
from glassmail.store.control import ControlError, read_file
from glassmail.store.edit import EditError

SEPARATORS = b"@%/"  # vpopmail.h ATCHARS
RANDOM_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.@!#%*"
RANDOM_LENGTH = 12
UNSAID = 111  # the system refused, be it only that the answer is written


class Left(Exception):  # noqa: N818 (the way out of a command, not a fault)
    """The command ends with this number, as vpopmail's vexit."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run(name: str, body: Callable[[list[bytes]], int], argv: list[str] | None) -> int:
    """Run a command; return its exit code, vpopmail's number in eight bits."""
    arguments = [os.fsencode(word) for word in (sys.argv if argv is None else argv)[1:]]
    try:
        number = _outcome(name, body, arguments)
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # with that, the reader has seen enough
            sys.stderr.write(f"{name}: {error}\n")
        _flush_or_drop()
        number = UNSAID
    return int(number) & 0xFF


def _flush_or_drop() -> None:
    try:
        sys.stdout.flush()
    except OSError:  # the interpreter would try again as it ends, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _outcome(name: str, body: Callable[[list[bytes]], int], arguments: list[bytes]) -> int:
    try:
        number = body(arguments)
    except Left as left:
        number = left.number
    except AccountError as error:
        say("Error: " + (str(error) if error.fault is None else TEXTS[error.fault]))
        hint(name, str(error) if error.fault is not None else "")
        number = -1 if error.fault is None else error.fault
    except (AccountChangeError, EditError, ControlError) as error:
        say("Error: " + TEXTS[Fault.COULD_NOT_UPDATE_FILE])
        hint(name, str(error))
        number = Fault.COULD_NOT_UPDATE_FILE
    return number


def say(*lines: str | bytes) -> None:
    """Print lines; what is no text passes through as it is."""
    for line in lines:
        data = line if isinstance(line, bytes) else os.fsencode(line)
        sys.stdout.buffer.write(data + b"\n")


def hint(name: str, text: str) -> None:
    """Say on standard error which rule it was."""
    if text:
        sys.stdout.flush()
        sys.stderr.write(f"{name}: {text}\n")


def tell_notes(name: str, changes: Changes) -> None:
    """Tell what went wrong beside the change itself; vpopmail's commands are silent otherwise."""
    for note in changes.notes:
        hint(name, note)


def leave(number: int, *lines: str | bytes) -> NoReturn:
    """End the command after these lines."""
    say(*lines)
    raise Left(number)


def arguments(
    name: str,
    words: list[bytes],
    known: str,
    usage: Callable[[], None],
    least: int = 1,
    too_few: int = -1,
) -> tuple[dict[str, bytes], list[bytes]]:
    """Read a command line; of an option that is given twice the last counts.

    `-v` prints the version first; `-h`, where it is known, and too few arguments print the usage
    and raise Left.

    Args:
        name: the command's.
        words: the command line without the command.
        known: letters, as of `getopt`.
        usage: prints the usage.
        least: how many arguments there must be.
        too_few: the exit code when there are fewer.
    """
    options, rest = getopt(name, words, known, usage)
    given = dict(options)
    if "v" in given:
        print_version()
    if "h" in given or len(rest) < least:
        usage()
        raise Left(0 if "h" in given else too_few)
    return given, rest


def getopt(
    name: str, words: list[bytes], known: str, usage: Callable[[], None], wrong: int = -1
) -> tuple[list[tuple[str, bytes]], list[bytes]]:
    """Part options from arguments; an unknown option prints the usage and raises Left.

    Args:
        name: the command's, for the message.
        words: the command line without the command.
        known: letters; `:` behind one that takes an argument, `::` where it may be missing.
        usage: prints the usage.
        wrong: the exit code for an unknown option.

    Returns:
        (letter, argument) of each option; the arguments.
    """
    options: list[tuple[str, bytes]] = []
    rest: list[bytes] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == b"--":
            rest += left
            break
        if not word.startswith(b"-") or word == b"-":
            rest.append(word)
            continue
        letters = word[1:]
        while letters:
            letter, letters = chr(letters[0]), letters[1:]
            at = known.find(letter) if letter != ":" else -1
            problem = "" if at >= 0 else f"invalid option -- '{letter}'"
            if at >= 0 and known[at + 1 : at + 3] == "::":
                argument, letters = letters, b""
            elif at >= 0 and known[at + 1 : at + 2] == ":":
                argument, letters = letters, b""
                if not argument and not left:
                    problem = f"option requires an argument -- '{letter}'"
                argument = argument or (left.pop(0) if left else b"")
            else:
                argument = b""
            if problem:
                sys.stderr.write(f"{name}: {problem}\n")
                usage()
                raise Left(wrong)
            options.append((letter, argument))
    return options, rest


def site() -> Site:
    """Return the site of $GLASSMAIL_ROOT."""
    return Site.at(Place(find_root(None)))


def print_version() -> None:
    """Answer -v."""
    say(f"version: glassmail {version('glassmail')}")


def parse_email(at: Site, text: bytes) -> tuple[bytes, bytes]:
    """Part an address at the first of `@`, `%`, `/`; without one the default domain is meant.

    Raises:
        AccountError: the name or domain has bytes that vpopmail does not allow.
    """
    lower = text.lower()
    cut = next((i for i, byte in enumerate(lower) if byte in SEPARATORS), len(lower))
    user, domain = lower[:cut], lower[cut + 1 :]
    if not mailbox.is_valid_name(user):
        check_name(user)  # says which rule
        raise AccountError("it is no name for a mailbox", Fault.ILLEGAL_USERNAME)
    if not mailbox.is_valid_domain(domain):
        check_domain(domain)
        raise AccountError("it is no domain", Fault.INVALID_DOMAIN_NAME)
    return user, domain or default_domain(at)


def parse_names(at: Site, text: bytes) -> tuple[list[bytes] | None, bytes]:
    """Read `user@domain` as one mailbox, `domain` as all of its; raises as `parse_email`."""
    if b"@" not in text:
        return None, text.lower()
    user, domain = parse_email(at, text)
    return [user], domain


def default_domain(at: Site) -> bytes:
    """Return $VPOPMAIL_DOMAIN, else the content of etc/defaultdomain, else nothing."""
    named = os.environ.get("VPOPMAIL_DOMAIN")
    if named:
        return os.fsencode(named).lower()
    return parse_line(read_file(at.etc("defaultdomain")) or b"").lower()


def ask_password(user: bytes) -> bytes:
    """Ask twice, until both are the same; raises Left when nobody is there to answer."""
    shown = os.fsdecode(user)
    while True:
        try:
            first = _ask_unseen(f"Please enter password for {shown}: ")
            again = _ask_unseen("enter password again: ")
        except EOFError as error:
            raise Left(-1) from error
        if first == again:
            return os.fsencode(first)
        say("Passwords do not match, try again")


def _ask_unseen(prompt: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)
        except getpass.GetPassWarning:  # no terminal: what a file or pipe says is not echoed
            sys.stderr.write(prompt)
            sys.stderr.flush()
            return input()


def random_password(length: bytes = b"") -> bytes:
    """Make up a password; raises Left for a length beyond vpopmail's."""
    size = number_of(length) if length else RANDOM_LENGTH
    if size > vpopmail_faults.PASSWORD_BYTES_MAX:
        leave(Fault.PASSWD_TOO_LONG, "Error: " + TEXTS[Fault.PASSWD_TOO_LONG])
    return "".join(secrets.choice(RANDOM_CHARACTERS) for _ in range(size)).encode("ascii")


def number_of(text: bytes) -> int:
    """Read a whole number, `-1` too; raises Left for what is none."""
    digits = text.removeprefix(b"-")
    if not digits or len(digits) > 18 or digits.strip(b"0123456789"):
        leave(-1, f"Error: {text.decode('ascii', 'backslashreplace')} is not a number")
    return int(text)
