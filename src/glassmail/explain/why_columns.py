"""Words and columns of `why`'s answers: how lines are broken, cut and aligned."""

import re
import textwrap
from collections.abc import Sequence

from glassmail.explain.steps import printable

_DID = re.compile(r"\bdid ([0-9]{1,9})\+([0-9]{1,9})\+([0-9]{1,9})")


def widths(rows: Sequence[tuple[str, ...]], width: int) -> tuple[int, ...]:
    """Give each column what it needs; from and to share what is left."""
    when, name, sender, to, state = (max(map(len, column)) for column in zip(*rows, strict=True))
    room = width - max(when, 4) - max(name, 7) - max(state, 5) - 8
    half = room // 2
    left = min(max(sender, 4), max(half, room - max(to, 2)))
    return max(when, 4), max(name, 7), left, max(2, min(max(to, 2), room - left)), max(state, 5)


def cut_name(text: str, room: int) -> str:
    """Cut `name +N`, which stands for N more names, in the name."""
    name, sign, count = text.rpartition(" +")
    more = sign + count if sign and count.isdigit() else ""
    return cut(name, room - len(more)) + more if more else cut(text, room)


def columns(values: tuple[str, ...], sizes: tuple[int, ...]) -> str:
    """Write values in columns of these sizes."""
    cells = [cut(v, w).ljust(w) for v, w in zip(values, sizes, strict=True)]
    return "  ".join(cells).rstrip()


def cut(text: str, room: int) -> str:
    """Cut a text to its room, with a mark."""
    return text if len(text) <= room else text[: max(1, room - 1)] + "\N{HORIZONTAL ELLIPSIS}"


def wrap(text: str, room: int, subsequent_indent: str = "") -> list[str]:
    """Break lines at blanks alone: a path or command that is broken cannot be copied."""
    return textwrap.wrap(
        text, room, subsequent_indent=subsequent_indent, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def spelled_out(text: str) -> str:
    """Say what qmail-local's `did MAILBOXES+FORWARDS+PROGRAMS` counts."""
    did = _DID.search(text)
    if did is None:
        return text
    names = ("mailbox/mailboxes", "forward/forwards", "program/programs")
    parts = [f"{count} {name.split('/')[count != '1']}"
             for count, name in zip(did.groups(), names, strict=True) if count != "0"]  # fmt: skip
    return f"{text[: did.end()]} ({', '.join(parts) or 'nothing'}){text[did.end() :]}"


def plain(text: bytes) -> str:
    """Return a text without its line ends and double blanks."""
    return " ".join(text.decode("utf-8", "backslashreplace").split())


def one_line(text: str) -> str:
    """Write lines behind one another."""
    return printable(" / ".join(line for line in text.split("\n") if line.strip()))
