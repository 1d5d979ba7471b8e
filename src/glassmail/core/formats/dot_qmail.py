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


class Doubt(NamedTuple):
    """A line that is obeyed as qmail does, but can hardly be meant so.

    Attributes:
        line: its number, from 1.
        column: where it goes wrong, from 1.
        text: what qmail makes of it.
    """

    line: int
    column: int
    text: str


class DotQmail(NamedTuple):
    """A dot-qmail file as parsed; a blank first line means that nothing may be delivered."""

    instructions: tuple[Instruction, ...]
    first_line_is_blank: bool
    data: bytes = b""

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Lines that can hardly be meant as they are written; looked for when somebody asks."""
        found = []
        for number, raw in enumerate(self.data.removesuffix(b"\n").split(b"\n"), 1):
            doubt = _doubt(raw.rstrip(b" \t"))
            if doubt is not None:
                found.append(Doubt(number, *doubt))
        return tuple(found)


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
    return DotQmail(tuple(instructions), first_line_is_blank, data)


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


def _doubt(line: bytes) -> tuple[int, str] | None:
    """Return column and meaning of what is odd in a line, None when nothing is."""
    first = line[:1]
    if b"\0" in line:
        return line.index(b"\0") + 1, "a NUL byte: what follows it is not seen"
    if line.endswith(b"\r"):
        return len(line), "a carriage return: it is taken as part of the line"
    if first == b"+" and line != b"+list":
        return 1, "an unknown word after `+`: the line is ignored"
    if line == b"|":
        return 2, "no program follows: the shell is run with nothing to do"
    if first in (b"", b"#", b"|", b".", b"/", b"+"):
        return None
    return _doubtful_address(line)


def _doubtful_address(line: bytes) -> tuple[int, str] | None:
    start = 2 if line.startswith(b"&") else 1
    address = line[start - 1 :]
    if not address:
        return start, "no address follows: mail is forwarded to nobody"
    if address[:1] in (b" ", b"\t"):
        return start, "a blank before the rest: all of it is taken as an address"
    if address.endswith(b"/"):
        return start, "it is taken as an address: the path of a Maildir begins with `.` or `/`"
    if b'"' not in address:
        places = [at for at in map(address.find, (b" ", b"\t", b",")) if at >= 0]
        if places:
            return start + min(places), "one line holds one address: all of it is taken as one"
    return None
