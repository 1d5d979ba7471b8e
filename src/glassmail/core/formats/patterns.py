"""Lists of unwanted names and addresses: whole names, `@domain`s, wildcards, regular expressions.

Purpose:
    badmailfrom, badmailfromnorelay, badrcptto, badrcpttonorelay and badhelo share these lines:

        joe@bad.example      the whole address or name
        @bad.example         every address of a domain
        *.dyn.example        wildcards: `*`, `?`, `[a-z]`, backslash
        /^dsl-[0-9]+/        a regular expression between slashes, or a line that begins with ^
        !*@good.example      in front of a pattern: what it matches is not unwanted

Always:
    - Case does not matter.
    - Whole names come first; then all patterns are walked, and the LAST that matches decides
      (SPAMCONTROL).
    - Regular expressions are RE2's, whose time grows with the text alone; what it cannot express
      (look-around, back references) is a PatternError with file and line.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import re2

from glassmail.core.formats import wildmat
from glassmail.core.formats.control import Entry, Table

REGEX_BYTES_MAX = 4_096  # of a line
_REGEX_MEMORY_MAX = 1_048_576  # of a compiled expression

Matches = Callable[[bytes], bool]


class PatternError(ValueError):
    """A line is no pattern; the text names file and line."""


class Hit(NamedTuple):
    """What a list says of a name: unwanted or expressly not, and the line that says so."""

    is_unwanted: bool
    entry: Entry


class _Regex(Protocol):
    def search(self, text: bytes) -> object: ...


class Patterns(NamedTuple):
    """A list, ready to be asked.

    Attributes:
        table: the lines as read; whole names are looked up in it.
        walk: the patterns in their order: (does it match, is it negated, its line).
    """

    table: Table
    walk: tuple[tuple[Matches, bool, Entry], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to ask."""
        return not self.table.entries

    def find(self, folded: bytes) -> Hit | None:
        """Ask about a name or address that the caller has folded; None when no line is about it."""
        found = self.table.find(folded)
        if found is None:
            at = folded.rfind(b"@")
            found = self.table.find(folded[at:]) if at >= 0 else None
        if found is not None:
            return Hit(True, found)
        hit = None
        for matches, is_negated, entry in self.walk:
            if matches(folded):
                hit = Hit(not is_negated, entry)
        return hit


def compile_list(table: Table, *, is_regex: bool = False) -> Patterns:
    """Make a list ready; raises PatternError.

    Args:
        table: the file.
        is_regex: every line is a regular expression, as qregex reads these files.
    """
    walk = []
    for entry in table.entries.values():
        line = entry.key
        is_negated = line.startswith(b"!")
        body = line[1:] if is_negated else line
        if is_regex:
            walk.append((_regex(body, entry), is_negated, entry))
        elif len(body) > 1 and body.startswith(b"/") and body.endswith(b"/"):
            walk.append((_regex(body[1:-1], entry), is_negated, entry))
        elif body.startswith(b"^"):
            walk.append((_regex(body, entry), is_negated, entry))
        elif is_negated or wildmat.is_pattern(body):
            walk.append((_regex(wildmat.expression(body), entry), is_negated, entry))
    return Patterns(table, tuple(walk))


def _regex(pattern: bytes, entry: Entry) -> Matches:
    options = re2.Options()
    options.case_sensitive = False
    options.encoding = re2.Options.Encoding.LATIN1  # a byte is a letter
    options.log_errors = False
    options.max_mem = _REGEX_MEMORY_MAX
    try:
        if len(entry.key) > REGEX_BYTES_MAX:
            raise PatternError(f"{entry.source}: longer than {REGEX_BYTES_MAX} bytes: part it")
        compiled: _Regex = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        shown = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise PatternError(
            f"{entry.source}: not a regular expression that RE2 knows: {shown}: write it without "
            "look-around and back references"
        ) from error
    search = compiled.search
    return lambda text: search(text) is not None
