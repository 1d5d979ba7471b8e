"""users/assign and the records of users/cdb (qmail-newu.c, qmail-users.9).

Text:
    `=local:user:uid:gid:home:dash:ext:` for one local part, `+prefix:user:uid:gid:home:dash:pre:`
    for all that begin so; a line that begins with `.` ends the file. QUIRK: any other first
    byte means the same as `=`; what follows the seventh colon is ignored.

Records:
    Key `!` + local + NUL, or `!` + prefix, in lower case; data `user NUL uid NUL gid NUL home
    NUL dash NUL ext`. The record with the empty key comes last and holds the last characters of
    all prefixes. QUIRK: these stand as written, so that a prefix ending in an upper-case letter
    never matches. Of equal keys the first record wins.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class AssignError(ValueError):
    """The file cannot be used; the text names file, line and column."""


class Assignment(NamedTuple):
    """One line, its fields as written.

    Attributes:
        mark: the first byte, `=` or `+`.
        local: local part or prefix.
        fields: user, uid, gid, home, dash, ext.
        line: its number, from 1.
    """

    mark: bytes
    local: bytes
    fields: tuple[bytes, bytes, bytes, bytes, bytes, bytes]
    line: int

    @property
    def is_wildcard(self) -> bool:
        """Tell whether it stands for all local parts that begin so."""
        return self.mark == b"+"

    @property
    def key(self) -> bytes:
        """Return the key of its record."""
        return b"!" + self.local.lower() + (b"" if self.is_wildcard else b"\0")


def parse(data: bytes, name: str = "users/assign") -> list[Assignment]:
    """Parse users/assign; raises AssignError where qmail-newu says `bad format`."""
    assignments: list[Assignment] = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        if line.startswith(b"."):
            return assignments
        if number == len(lines):
            break
        parts = line.split(b":", 7)
        if len(parts) < 8 or not parts[0] or b"\0" in line:
            raise AssignError(f"{name}:{number}:{_fault(line)}")
        user, uid, gid, home, dash, ext = parts[1:7]
        assignments.append(
            Assignment(parts[0][:1], parts[0][1:], (user, uid, gid, home, dash, ext), number)
        )
    raise AssignError(f"{name}:{len(lines)}:1: bad format: the last line must be a single dot")


def render(assignments: Iterable[Assignment]) -> bytes:
    """Write users/assign."""
    lines = [a.mark + a.local + b":" + b":".join(a.fields) + b":\n" for a in assignments]
    return b"".join(lines) + b".\n"


def records(assignments: Iterable[Assignment]) -> Iterator[tuple[bytes, bytes]]:
    """Make the records of users/cdb, in order."""
    last_characters = bytearray()
    for assignment in assignments:
        last = assignment.local[-1:]
        if assignment.is_wildcard and last not in last_characters:
            last_characters += last
        yield assignment.key, b"\0".join(assignment.fields)
    yield b"", bytes(last_characters)


def line_of(data: bytes, key: bytes) -> int:
    """Return the number of the first line that begins with `key:`, 0 without one.

    Args:
        data: users/assign as it is.
        key: mark and local part in lower case, `+example.com-`.
    """
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.startswith(b"."):
            break
        if line.partition(b":")[0].lower() == key:
            return number
    return 0


def _fault(line: bytes) -> str:
    """Say at which column, from 1, a line goes wrong, and how."""
    column, text = len(line) + 1, f"{line.count(b':')} colons, seven are needed"
    if not line:
        column, text = 1, "an empty line"
    elif b"\0" in line:
        column, text = line.index(b"\0") + 1, "a NUL byte"
    elif line.startswith(b":"):
        column, text = 1, "it begins with a colon"
    return f"{column}: bad format: {text}"
