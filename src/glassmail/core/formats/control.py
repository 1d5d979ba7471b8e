"""Control files as qmail reads them (control.c, constmap.c): line, integer, list, map.

Pure:
    bytes in, values out; store/control reads the files.

Always:
    - A list skips empty lines and lines whose first byte is `#`; trailing blanks go, leading stay.
    - Keys are looked up without regard to ASCII case; of duplicate keys the LAST line wins
      (probe-virtualdomains.txt, dup.test).
    - Every entry knows its line, as text ready for a trail, so that a look-up builds none.
"""

from typing import NamedTuple

from glassmail.core.formats.control_line import BLANKS, parse_line

__all__ = [
    "BLANKS",
    "Entry",
    "Table",
    "lines_of",
    "parse_int",
    "parse_line",
    "parse_list",
    "parse_map",
    "show",
]


SHOWN_MAX = 120  # characters of a line that stand in a trail


class Entry(NamedTuple):
    """One line of a list or map: key as written, value after the first `:`, where it stands."""

    key: bytes
    value: bytes
    source: str


class Table(NamedTuple):
    """A list or map file.

    Attributes:
        name: the file's name, `control/locals`.
        is_present: False when there is no such file (for rcpthosts and locals that matters).
        entries: by folded key.
        summary: for trails when nothing matched: `control/locals (3 entries)`.
        ignored: what was passed over and why, `control/virtualdomains:7: no colon`.
    """

    name: str
    is_present: bool
    entries: dict[bytes, Entry]
    summary: str
    ignored: tuple[str, ...] = ()

    def find(self, folded_key: bytes) -> Entry | None:
        """Look up a key that the caller has folded."""
        return self.entries.get(folded_key)


def parse_int(data: bytes) -> int | None:
    """Read an `int` file: the unsigned decimal prefix of its first line (scan_ulong), else None."""
    line = parse_line(data)
    digits = line[: len(line) - len(line.lstrip(b"0123456789"))]
    return int(digits) if digits else None


def parse_list(name: str, data: bytes | None) -> Table:
    """Read a `list` file; data is None when the file is missing."""
    return _table(name, data, is_map=False)


def parse_map(name: str, data: bytes | None) -> Table:
    """Read a `map` file of `key:value` lines, split at the first colon."""
    return _table(name, data, is_map=True)


def lines_of(data: bytes) -> list[tuple[int, bytes]]:
    """Number the lines of a list file that count: (line number from 1, text)."""
    kept = []
    for number, raw in enumerate(data.split(b"\n"), 1):
        line = raw.rstrip(BLANKS)
        if line and not line.startswith(b"#"):
            kept.append((number, line))
    return kept


def _table(name: str, data: bytes | None, *, is_map: bool) -> Table:
    if data is None:
        return Table(name, False, {}, f"{name} (no such file)")
    entries: dict[bytes, Entry] = {}
    ignored = []
    new = tuple.__new__  # a reload of 100,000 lines takes half the time so
    show_line = _show_plain if _is_plain(data) else show
    for number, line in lines_of(data):
        if is_map:
            key, colon, value = line.partition(b":")
            if not colon:
                # Nothing behind a blank: in smtproutes a password may stand there.
                word = line.replace(b"\t", b" ").partition(b" ")[0]
                ignored.append(f"{name}:{number}: no colon in {show(word)}")
                continue
        else:
            key, value = line, b""
        source = f"{name}:{number} {show_line(line)}"
        entries[key.lower()] = new(Entry, (key, value, source))
    count = len(entries)
    summary = f"{name} ({count} entr{'y' if count == 1 else 'ies'})"
    return Table(name, True, entries, summary, tuple(ignored))


def _is_plain(data: bytes) -> bool:
    """Tell whether every line of a file is printable ASCII and short, so that it shows as it is."""
    if not data.isascii() or not data.decode("ascii").replace("\n", "").isprintable():
        return False
    return max(map(len, data.split(b"\n"))) <= SHOWN_MAX


def _show_plain(line: bytes) -> str:
    return line.decode("ascii")


def show(line: bytes, limit: int = SHOWN_MAX) -> str:
    """Show bytes of a file in one line of text, unprintable ones escaped, cut at `limit`."""
    text = line.decode("utf-8", "backslashreplace")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
