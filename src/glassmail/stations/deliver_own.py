"""Our own programs named in dot-qmail files, run without starting a process.

Purpose:
    `forward`, `condredirect`, `bouncesaying`, `except` and `preline` with the outputs and exit
    codes of qmail's (reference: forward.c and so on). A program line that names one of them
    plainly runs here; so do the commands of those names (faces.compat). `vacation` and
    `autorespond` are stations.deliver_autoreply's.

Always:
    - `parse` recognises plain words only. A line with anything that a shell would do more with
      than split it at blanks goes to the shell.
    - A program that these start is started as they do: an argument list, no shell.
"""

from collections.abc import Callable, Generator, Mapping
from typing import NamedTuple

from glassmail.core.model.system_errors import error_text, is_temporary
from glassmail.stations.deliver_requests import Forward, Look, Run
from glassmail.stations.programs import Ended

# What makes a shell do more than split words. `~` and `=` matter only where noted below.
_SPECIAL = b"$`\\;|&<>()*?[]{}!#\n\r\v\f\0\"'~"
VACATION_OPTIONS = (b"a", b"m", b"f", b"r", b"t", b"j", b"z", b"d")
_SPECIAL_IN_QUOTES = b"$`\\\0"


class OwnCall(NamedTuple):
    """A program line that we run ourselves: the program's name, and its arguments."""

    program: bytes
    arguments: tuple[bytes, ...]


Steps = Generator[Forward | Run | Look, None, Ended]
Environment = Mapping[bytes, bytes]


def split_words(command: bytes) -> tuple[bytes, ...] | None:
    """Split a command line that is nothing but words; None when it needs a shell.

    A word is plain, or wholly in single or double quotes.
    """
    words = []
    rest = command.strip(b" \t")
    while rest:
        quote = rest[:1]
        if quote in (b"'", b'"'):
            word, closing, rest = rest[1:].partition(quote)
            if not closing or (rest and rest[:1] not in b" \t"):
                return None
            if quote == b'"' and len(word.translate(None, _SPECIAL_IN_QUOTES)) != len(word):
                return None
        else:
            word = rest.split(None, 1)[0]
            rest = rest[len(word) :]
            if len(word.translate(None, _SPECIAL)) != len(word):
                return None
        words.append(word)
        rest = rest.lstrip(b" \t")
    return tuple(words)


def parse(command: bytes, own_directories: tuple[bytes, ...]) -> OwnCall | None:
    """Recognise a call of one of our programs in a program line (without its `|`)."""
    if not any(name in command for name in PROGRAMS):
        return None
    words = split_words(command)
    if not words:
        return None
    directory, slash, name = words[0].rpartition(b"/")
    if name not in PROGRAMS:
        return None
    # qmailadmin writes autorespond's place as it found it when it was built.
    if slash and directory not in own_directories and name != b"autorespond":
        return None
    if name == b"forward" and not words[1:]:
        return None  # nobody to forward to: the command itself says so
    if name == b"vacation" and any(_is_foreign(word) for word in words[1:]):
        return None  # an option of the system's vacation(1), which the shell will find
    return OwnCall(name, words[1:])


def _is_foreign(word: bytes) -> bool:
    return len(word) > 1 and word.startswith(b"-") and word[1:2] not in VACATION_OPTIONS


def forward(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Forward to the addresses given (forward.c)."""
    for name in (b"NEWSENDER", b"DTLINE"):
        if name not in environment:
            return _fatal(b"forward", 100, name + b" not set")
    want = Forward(arguments, environment[b"NEWSENDER"], environment[b"DTLINE"])
    yield want
    if want.letter != "K":
        return _fatal(b"forward", 100 if want.letter == "D" else 111, want.text)
    return Ended(0, b"forward: qp %d\n" % want.message)


def condredirect(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Forward to the first argument and stop, if the program exits 0 (condredirect.c)."""
    if len(arguments) < 2:
        usage = b"condredirect: usage: condredirect newaddress program [ arg ... ]\n"
        return Ended(100, usage)
    asked = yield from _ask(b"condredirect", arguments[1:])
    if not asked.is_yes:
        return asked.ended
    for name in (b"SENDER", b"DTLINE"):
        if name not in environment:
            return _fatal(b"condredirect", 100, name + b" not set", asked.ended.output)
    want = Forward(arguments[:1], environment[b"SENDER"], environment[b"DTLINE"])
    yield want
    if want.letter != "K":
        code = 100 if want.letter == "D" else 111
        return _fatal(b"condredirect", code, want.text, asked.ended.output)
    return Ended(99, asked.ended.output + b"condredirect: qp %d\n" % want.message)


def bouncesaying(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Give up with the text given, if there is no program or it exits 0 (bouncesaying.c)."""
    del environment
    if not arguments:
        usage = b"bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]\n"
        return Ended(100, usage)
    output = b""
    if len(arguments) > 1:
        asked = yield from _ask(b"bouncesaying", arguments[1:])
        if not asked.is_yes:
            return asked.ended
        output = asked.ended.output
    return Ended(100, output + arguments[0] + b"\n")


def except_(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Turn a program's exit 0 into 100 and other codes into 0 (except.c)."""
    del environment
    if not arguments:
        return Ended(100, b"except: usage: except program [ arg ... ]\n")
    asked = yield from _ask(b"except", arguments)
    return asked.ended._replace(exit_code=100) if asked.is_yes else asked.ended


def preline(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Run a program with UFLINE, RPLINE and DTLINE before the message (preline.c)."""
    usage = Ended(100, b"preline: usage: preline cmd [ arg ... ]\n")
    lines = {b"f": b"UFLINE", b"r": b"RPLINE", b"d": b"DTLINE"}
    if any(name not in environment for name in lines.values()):
        return usage
    wanted = dict.fromkeys(lines, True)
    rest = list(arguments)
    while rest and len(rest[0]) > 1 and rest[0].startswith(b"-"):
        letters = rest.pop(0)[1:]
        if letters == b"-":
            break
        for at in range(len(letters)):
            letter = letters[at : at + 1]
            if letter.lower() not in wanted:
                return usage
            wanted[letter.lower()] = letter.isupper()
    if not rest:
        return usage
    top = b"".join(environment[lines[letter]] for letter in lines if wanted[letter])
    run = Run(tuple(rest), top)
    yield run
    if run.error is not None:
        text = b"unable to run " + rest[0] + b": " + error_text(run.error)
        return _fatal(b"preline", 111 if is_temporary(run.error) else 100, text)
    assert run.ended is not None
    if run.ended.is_crash:
        return _fatal(b"preline", 111, b"child crashed", run.ended.output, run.ended.is_timeout)
    return run.ended


def vacation(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Answer for a person who is away (stations.deliver_autoreply)."""
    # Commands that are started for one message import this module: what they never need stays out.
    from glassmail.stations import deliver_autoreply

    return (yield from deliver_autoreply.vacation(arguments, environment))


def autorespond(arguments: tuple[bytes, ...], environment: Environment) -> Steps:
    """Answer for an address that answers by itself (stations.deliver_autoreply)."""
    from glassmail.stations import deliver_autoreply

    return (yield from deliver_autoreply.autorespond(arguments, environment))


class _Asked(NamedTuple):
    """A program's answer to a yes-or-no question: exit 0 is yes, else `ended` is our own end."""

    is_yes: bool
    ended: Ended


def _ask(program: bytes, arguments: tuple[bytes, ...]) -> Generator[Run, None, _Asked]:
    run = Run(arguments)
    yield run
    if run.ended is None:
        # The child that could not execute the program exits with one of these, saying nothing.
        assert run.error is not None
        if is_temporary(run.error):
            return _Asked(False, _fatal(program, 111, b"temporary child error"))
        return _Asked(False, Ended(0, b""))
    ended = run.ended
    if ended.is_crash:
        fatal = _fatal(program, 111, b"child crashed", ended.output, ended.is_timeout)
        return _Asked(False, fatal)
    if ended.exit_code == 111:
        fatal = _fatal(program, 111, b"temporary child error", ended.output)
        return _Asked(False, fatal)
    return _Asked(ended.exit_code == 0, Ended(0, ended.output))


def _fatal(
    program: bytes, code: int, text: bytes, before: bytes = b"", is_timeout: bool = False
) -> Ended:
    return Ended(code, before + program + b": fatal: " + text + b"\n", is_timeout=is_timeout)


PROGRAMS: dict[bytes, Callable[[tuple[bytes, ...], Environment], Steps]] = {
    b"forward": forward,
    b"condredirect": condredirect,
    b"bouncesaying": bouncesaying,
    b"except": except_,
    b"preline": preline,
    b"vacation": vacation,
    b"autorespond": autorespond,
}
