"""The rules of vdelivermail that need no file: names, extension, its command line, its argument.

Purpose:
    A virtual domain's `.qmail-default` holds `| vdelivermail '' ARGUMENT`. EXT is the mailbox,
    HOST the domain; ARGUMENT says what happens to mail for nobody (vdelivermail.c).

Always:
    - Names are lower case and made of the bytes vpopmail allows (vpopmail.c is_username_valid,
      is_domain_valid), so that a colon, a blank or a NUL never reaches vpasswd.
    - An extension that could leave the mailbox's directory names no dot-qmail file.
"""

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

PROGRAM = b"vdelivermail"
BREAK = b"-"
NAME_BYTES_MAX = 64  # vpopmail.h MAX_PW_NAME
DOMAIN_BYTES_MAX = 96  # vpopmail.h MAX_PW_DOMAIN

_NAME_BYTES = bytes(
    [33, 35, 36, 38, 39, 42, 43, *range(45, 58), 61, 63, *range(65, 91), *range(94, 127)]
)
_DOMAIN_BYTES = b"-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What makes the shell do more than split words; a line with one of these is the shell's to run.
_SHELL_BYTES = b"$`\\;|&<>()*?[]{}!#\n\"'"


class CatchAll(Enum):
    """The kinds of ARGUMENT."""

    DELETE = "delete"
    BOUNCE = "bounce-no-mailbox"
    DIRECTORY = "directory"
    ADDRESS = "address"


class NameAndExtension(NamedTuple):
    """A local part cut at its first break character."""

    name: bytes
    extension: bytes


def is_valid_name(name: bytes) -> bool:
    """Tell whether vdelivermail looks for a mailbox of this name at all."""
    return not name.translate(None, _NAME_BYTES)


def is_valid_domain(domain: bytes) -> bool:
    """Tell whether vdelivermail takes this for a domain."""
    return not domain.translate(None, _DOMAIN_BYTES)


def split_extension(local: bytes, break_character: bytes = BREAK) -> NameAndExtension | None:
    """Cut at the first break character; None when there is none, or nothing parts names here."""
    if not break_character:
        return None
    name, found, extension = local.partition(break_character)
    return NameAndExtension(name, extension) if found else None


def dot_qmail_names(extension: bytes) -> tuple[bytes, ...]:
    """List the files that may instruct a mailbox, in the order they are looked for.

    With an extension: `.qmail-EXT`, then `.qmail-` and `default` after each shorter prefix that
    ends in `-`, then `.qmail` itself (vdelivermail.c check_forward_deliver).
    """
    safe = extension.replace(b".", b":")  # no `..` can remain
    if not safe or b"/" in safe or b"\0" in safe:
        return (b".qmail",)
    names = [b".qmail-" + safe]
    end = len(safe)
    while (end := safe.rfind(b"-", 0, end)) >= 0:
        names.append(b".qmail-" + safe[: end + 1] + b"default")
    return (*names, b".qmail-default", b".qmail")


def catch_all(argument: bytes) -> CatchAll:
    """Tell what kind of ARGUMENT this is."""
    if argument == b"delete":
        return CatchAll.DELETE
    if argument == b"bounce-no-mailbox":
        return CatchAll.BOUNCE
    return CatchAll.DIRECTORY if argument.startswith(b"/") else CatchAll.ADDRESS


@lru_cache(maxsize=256)  # every delivery of a domain reads the same line
def call_arguments(command: bytes) -> tuple[bytes, ...] | None:
    """Read a program line's command when it is a plain call of vdelivermail.

    Returns:
        The words after the program's name; None for another program, or for a line that needs
        a shell to be understood.
    """
    words: list[bytes] = []
    rest = command.strip(b" \t") if b"\0" not in command else b""
    while rest:
        quote = rest[:1]
        if quote in (b"'", b'"'):
            word, closing, rest = rest[1:].partition(quote)
            if not closing or (rest and rest[:1] not in b" \t"):
                return None
            if quote == b'"' and word.translate(None, b"$`\\") != word:
                return None
        else:
            end = next((at for at, byte in enumerate(rest) if byte in b" \t"), len(rest))
            word, rest = rest[:end], rest[end:]
            if word.translate(None, _SHELL_BYTES) != word:
                return None
        words.append(word)
        rest = rest.lstrip(b" \t")
    if not words or words[0].rpartition(b"/")[2] != PROGRAM:
        return None
    return tuple(words[1:])
