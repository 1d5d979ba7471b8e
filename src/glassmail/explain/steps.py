"""Steps as people and programs read them: the one rendering that trace, why and the web share.

Purpose:
    `step_row` makes the JSON object of a step, the same fields everywhere. `step_text` makes
    aligned lines: the question as a sentence, the answer, the source.

Always:
    Bytes off the wire are shown printable: nothing a client sent can steer a terminal.
"""

import textwrap
from collections.abc import Iterable, Iterator
from itertools import zip_longest

from glassmail.core.model.questions import sentence
from glassmail.core.model.trail import YES, Step

WIDTH = 80
SENTENCE_COLUMN_MAX = 36  # longer sentences get a line of their own
ANSWER_COLUMN_MAX = 11  # `cannot tell`; longer answers push their source to the right
SOURCE_COLUMN_MIN = 20  # narrower than this a source goes to its own line
SOURCE_INDENT = 6  # of a source on its own line
_GAP = 2


def step_row(step: Step) -> dict[str, str]:
    """Make the JSON object of a step; `trace --json` and `why --json` print the same fields."""
    return {
        "question": step.question,
        "sentence": sentence(step.question, step.subject),
        "subject": step.subject.decode("utf-8", "backslashreplace"),
        "answer": step.answer,
        "source": step.source,
    }


def step_text(steps: Iterable[Step], indent: int = 0, width: int = WIDTH) -> list[str]:
    """Make aligned lines: sentence, answer, source.

    Args:
        steps: in the order they were asked.
        indent: blanks before every line.
        width: columns of the terminal; long sources wrap under their column.

    Returns:
        Lines without newline.
    """
    rows = [row_of(step) for step in _folded(steps)]
    if not rows:
        return []
    fitting = [len(sentence_) for sentence_, _, _ in rows if len(sentence_) <= SENTENCE_COLUMN_MAX]
    sentence_column = max(fitting, default=SENTENCE_COLUMN_MAX) + _GAP
    short = [len(answer) for _, answer, _ in rows if len(answer) <= ANSWER_COLUMN_MAX]
    answer_column = max(4, *short, 0) + _GAP
    lines: list[str] = []
    for row in rows:
        lines += _lines(row, sentence_column, answer_column, width - indent)
    margin = " " * indent
    return [(margin + line).rstrip() for line in lines]


def _folded(steps: Iterable[Step]) -> Iterator[Step]:
    """Of directories above each other that may all be entered tell the last alone."""
    above = 0
    steps = list(steps)
    for step, behind in zip_longest(steps, steps[1:]):
        if _may_enter(step) and behind is not None and _may_enter(behind):
            above += 1
            continue
        yield step._replace(source=f"{step.source}; the {above} above too") if above else step
        above = 0


def _may_enter(step: Step) -> bool:
    return step.question == "routing.directory" and step.answer == YES


def row_of(step: Step) -> tuple[str, str, str]:
    """Return (sentence, answer, source), printable."""
    return (
        printable(sentence(step.question, step.subject)),
        printable(step.answer),
        printable(step.source),
    )


def _lines(
    row: tuple[str, str, str], sentence_column: int, answer_column: int, width: int
) -> list[str]:
    asked, answer, source = row
    lines: list[str] = []
    if len(asked) + _GAP > sentence_column:
        lines = _wrap(asked, width)
        asked = ""
    at = sentence_column + max(answer_column, len(answer) + _GAP)
    head = asked.ljust(sentence_column) + answer
    room = width - at
    if len(source) <= room or not source.strip():
        return [*lines, head.ljust(at) + source.strip()]
    if room < max(SOURCE_COLUMN_MIN, *map(len, source.split()), 0):
        lines.append(head)
        head, at, room = "", SOURCE_INDENT, width - SOURCE_INDENT
    wrapped = _wrap(source, room)
    lines.append(head.ljust(at) + wrapped[0])
    return lines + [" " * at + more for more in wrapped[1:]]


def _wrap(text: str, room: int) -> list[str]:
    """Break lines at blanks alone: a path that is broken cannot be copied."""
    return textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=False)


def printable(text: str) -> str:
    r"""Make text safe for a terminal: control and format characters become \x1b, \u202e."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def shown(data: bytes) -> str:
    """Show bytes off the wire: UTF-8 where it is, escapes where not, printable always."""
    return printable(data.decode("utf-8", "backslashreplace"))
