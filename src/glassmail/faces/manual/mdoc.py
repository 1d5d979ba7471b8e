"""Man pages in mdoc(7): the few macros that the manual needs, and text made safe for them."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

DATE = "November 21, 2026"
_CODE = re.compile(r"``?([^`]+)``?")
_SENTENCE = re.compile(r"(?<=[.!?]) |(?<=[.!?][)\"']) |(?<=[.!?]\\fR) ")
_BULLET = re.compile(r"^- ")
_TERM = re.compile(r"(\S+(?: \S+)*)  +(\S.*)")
_CONSTANT = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\b")
_SOURCE = re.compile(r"\s\([a-z_/]+\.py\)")
_UNNAMED = "Purpose:"  # a heading for programmers; what it says is for everybody
_NO_VALUES: Mapping[str, object] = MappingProxyType({})


def escaped(text: str) -> str:
    """Make text that is neither macro nor escape; non-ASCII characters by their code point."""
    safe = text.replace("\\", "\\e")
    return "".join(c if ord(c) < 127 else f"\\[u{ord(c):04X}]" for c in safe)


def words(text: str) -> str:
    """Make lines of prose, a sentence each: `code` is bold, a leading dot means nothing."""
    parts = [f"\\fB{escaped(part)}\\fR" if at % 2 else escaped(part)
             for at, part in enumerate(_CODE.split(" ".join(text.split())))]  # fmt: skip
    lines = _SENTENCE.split("".join(parts))
    return "\n".join(f"\\&{line}" if line[:1] in {".", "'"} else line for line in lines)


class Page:
    """One page, built line by line."""

    def __init__(self, name: str, section: int, title: str) -> None:
        """Begin a page.

        Args:
            name: of the page and, in sections 1 and 8, of the command.
            section: of the manual.
            title: what it is, in a few words.
        """
        self.name = name
        self.section = section
        self._lines = [
            '.\\" Made by tools/generate_docs.py; not to be edited.',
            f".Dd {DATE}",
            f".Dt {name.upper()} {section}",
            ".Os glassmail",
            ".Sh NAME",
            f".Nm {name}",
            f".Nd {words(title).rstrip('.')}",
        ]

    @property
    def file(self) -> str:
        """Where the page lies in a manual's tree."""
        return f"man{self.section}/{self.name}.{self.section}"

    def render(self) -> str:
        """Return the page."""
        return "\n".join(self._lines) + "\n"

    def section_head(self, title: str) -> None:
        """Begin a section."""
        self._lines.append(f".Sh {title.upper()}")

    def part(self, title: str) -> None:
        """Begin a part of a section."""
        self._lines.append(f".Ss {words(title)}")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        line = words(text)
        if line:
            self._break()
            self._lines.append(line)

    def literal(self, lines: Iterable[str]) -> None:
        """Add lines as they stand."""
        self._lines.append(".Bd -literal -offset indent")
        for line in lines:
            safe = escaped(line)
            self._lines.append(f"\\&{safe}" if safe[:1] in {".", "'"} else safe)
        self._lines.append(".Ed")

    def table(self, rows: Mapping[str, str]) -> None:
        """Add a list of terms, each with what it means."""
        if not rows:
            return
        self._lines.append(".Bl -tag -width Ds")
        for term, about in rows.items():
            self._lines += [f".It {_term(term)}", words(about) or "\\&"]
        self._lines.append(".El")

    def bullets(self, items: Iterable[str]) -> None:
        """Add a list."""
        self._lines.append(".Bl -bullet")
        for item in items:
            self._lines += [".It", words(item)]
        self._lines.append(".El")

    def synopsis(self, forms: Iterable[str]) -> None:
        """Add the section that shows how a command is called."""
        self.section_head("synopsis")
        for number, form in enumerate(forms):
            if number:
                self._lines.append(".Pp")
            self._lines += [".Nm", escaped(form)] if form else [".Nm"]

    def see_also(self, pages: Iterable[tuple[str, int]]) -> None:
        """End with other pages."""
        rows = sorted(set(pages) - {(self.name, self.section)}, key=lambda row: (row[1], row[0]))
        if not rows:
            return
        self.section_head("see also")
        for number, (name, section) in enumerate(rows):
            comma = " ," if number < len(rows) - 1 else ""
            self._lines.append(f".Xr {name} {section}{comma}")

    def docstring(
        self, text: str, leave_out: Iterable[str] = (), values: Mapping[str, object] = _NO_VALUES
    ) -> None:
        """Add a module's docstring: paragraphs, literal blocks, lists, parts with a heading.

        Args:
            text: the docstring.
            leave_out: headings of parts that are not for readers of the manual.
            values: the module's names: a constant in capitals is replaced by its number.
        """
        skipped = set(leave_out)
        is_skipped = is_part = False
        for block in _blocks(_with_values(text, values)):
            first = block[0]
            if not first.startswith(" ") and first.endswith(":") and len(block) > 1 and all(
                line.startswith("    ") for line in block[1:]
            ):  # fmt: skip
                is_skipped, is_part = first[:-1] in skipped, True
                if not is_skipped:
                    if first != _UNNAMED:
                        self.part(first[:-1])
                    self._block([line[4:] for line in block[1:]])
            elif first.startswith("    ") and is_part:
                if not is_skipped:
                    self._block([line[4:] for line in block])
            else:
                is_skipped = is_part = False
                self._block(block)

    def _block(self, lines: list[str]) -> None:
        if all(line.startswith("    ") for line in lines):
            terms = _terms([line[4:] for line in lines])
            if terms:
                self.table(terms)
            else:
                self.literal(line[4:] for line in lines)
            return
        if not _BULLET.match(lines[0]):
            self._mixed(lines)
            return
        items: list[str] = []
        for line in lines:
            if _BULLET.match(line):
                items.append(line[2:])
            else:
                items[-1] += " " + line.strip()
        self.bullets(items)

    def _mixed(self, lines: list[str]) -> None:
        """A paragraph; lines that are set in stand as they are."""
        plain: list[str] = []
        for line in [*lines, ""]:
            if line.startswith("    "):
                self.text(" ".join(plain))
                plain = []
                self.literal([line.strip()])
            else:
                plain.append(line)
        self.text(" ".join(plain))

    def _break(self) -> None:
        if not self._lines[-1].startswith((".Sh", ".Ss", ".Pp", ".Nd")):
            self._lines.append(".Pp")


def _term(term: str) -> str:
    """The term of a list: an escape in front keeps it from being read as a macro."""
    return "\\&" + escaped(term).replace('"', "\\(dq")


def _terms(lines: list[str]) -> dict[str, str]:
    """Read a block of terms, each with what it means behind two blanks; empty when it is none."""
    terms: dict[str, str] = {}
    for line in lines:
        match = _TERM.fullmatch(line)
        if match:
            terms[match[1]] = match[2]
        elif line.startswith("    ") and terms:
            terms[next(reversed(terms))] += " " + line.strip()
        else:
            return {}
    return terms


def _with_values(text: str, values: Mapping[str, object]) -> str:
    """Write the numbers of constants instead of their names; other modules mean nothing here."""

    def value(match: "re.Match[str]") -> str:
        found = values.get(match[0])
        return f"{found:,}" if type(found) in {int, float} else match[0]

    return _CONSTANT.sub(value, _SOURCE.sub("", text))


def _blocks(text: str) -> list[list[str]]:
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            blocks[-1].append(line.rstrip())
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]
