"""Dot-qmail files: what to do with a message, a line each (qmail-local.c, dot-qmail.9).

Trailing blanks of a line are cut; the last line may lack its newline. The first byte tells the
kind: `|` program, `.` or `/` a Maildir when the line ends in `/` and an mbox otherwise, `#`
comment, `+list` forwards only from here on (other `+` lines are ignored), all else a forward,
with or without `&` (`& a@b` keeps the space, QUIRK).
"""

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a line does, in the words of qmail-local -n."""

    MAILDIR = "maildir"
    MBOX = "mbox"
    PROGRAM = "program"
    FORWARD = "forward"


class Instruction(NamedTuple):
    """One line that does something.

    Attributes:
        kind: Maildir, mbox, program or forward.
        argument: path, command or address; without the leading `|` or `&`.
        line: its number in the file, from 1.
        list_only: whether `+list` stands above it: only forwards are obeyed then.
    """

    kind: Kind
    argument: bytes
    line: int
    list_only: bool


class DotQmail(NamedTuple):
    """A dot-qmail file as parsed; a blank first line means that nothing may be delivered."""

    instructions: tuple[Instruction, ...]
    first_line_is_blank: bool


def parse(data: bytes) -> DotQmail:
    """Parse a dot-qmail file; empty data counts as one blank line, as in qmail-local."""
    instructions = []
    list_only = False
    first_line_is_blank = False
    for number, raw in enumerate(data.removesuffix(b"\n").split(b"\n"), 1):
        line = raw.rstrip(b" \t")
        first = line[:1]
        if first in (b"", b"\0"):  # qmail-local.c sees a line that begins with NUL as blank
            first_line_is_blank = first_line_is_blank or number == 1
        elif first == b"#":
            continue
        elif first == b"+":
            list_only = list_only or _c_string(line) == b"+list"
        else:
            instructions.append(_instruction(line, number, list_only))
    return DotQmail(tuple(instructions), first_line_is_blank)


def _instruction(line: bytes, number: int, list_only: bool) -> Instruction:
    first = line[:1]
    if first == b"|":
        return Instruction(Kind.PROGRAM, _c_string(line[1:]), number, list_only)
    if first in (b".", b"/"):
        kind = Kind.MAILDIR if line.endswith(b"/") else Kind.MBOX
        return Instruction(kind, _c_string(line), number, list_only)
    address = line[1:] if first == b"&" else line
    return Instruction(Kind.FORWARD, _c_string(address), number, list_only)


def _c_string(text: bytes) -> bytes:
    # qmail-local hands C strings on: what follows a NUL is never seen.
    return text.partition(b"\0")[0]
