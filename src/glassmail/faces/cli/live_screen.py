"""Text for live views: lines as wide as the terminal, and a screen that is drawn again and again.

Where no terminal is, lines have 80 columns. On a terminal they have what it has, WIDEST at most;
a screen is cut to what the terminal shows, so that its head stays where the eye looks for it.
"""

import shutil
import sys
import time
from collections.abc import Callable, Iterable

import click

WIDTH, WIDEST = 80, 160
REST = 4
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


def width() -> int:
    """How many columns a line may have."""
    if not sys.stdout.isatty():
        return WIDTH
    return max(WIDTH, min(shutil.get_terminal_size((WIDTH, 24)).columns, WIDEST))


def fit(text: str, width: int) -> str:
    """Make text safe for a terminal and cut it to a width."""
    safe = "".join(c if c.isprintable() else "?" for c in text)
    return safe if len(safe) <= width else safe[: max(0, width - 1)] + "…"


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Break a sentence into lines."""
    import textwrap

    return textwrap.wrap(
        "".join(c if c.isprintable() else "?" for c in text), width(),
        initial_indent=indent, subsequent_indent=indent + "  ", break_long_words=True,
    )  # fmt: skip


def counted(count: int, name: str) -> str:
    """Write `1 message`, `2,000 messages`."""
    return f"{count:,} {name}" + "s" * (count != 1)


def short_span(seconds: float) -> str:
    """Write how long: `40 s`, `12 min`, `5 h`, `3 d`."""
    whole = int(max(0, seconds))
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if whole >= 2 * size:
            return f"{whole // size} {name}"
    return f"{whole} s"


def screenful(lines: list[str], columns: int, rows: int) -> list[str]:
    """Cut a picture to a terminal; the last row is the cursor's."""
    room = max(2, rows - 1)
    if len(lines) > room:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], f"… {left} more lines: make the terminal higher"]
    return [fit(line, columns) for line in lines]


def show(draw: Callable[[], Iterable[str]], every_s: float) -> None:
    """Print once, or until interrupted when every_s is above 0.

    A picture of a large queue takes the server time: the pause is REST times as long at least.
    """
    if every_s <= 0:
        for line in draw():
            click.echo(line)
        return
    try:
        while True:
            began = time.monotonic()
            lines = list(draw())
            took_s = time.monotonic() - began
            if sys.stdout.isatty():
                click.echo(_HOME_AND_CLEAR, nl=False)
                lines = screenful(lines, *shutil.get_terminal_size((WIDTH, 24)))
            click.echo("\n".join(lines))
            sys.stdout.flush()
            time.sleep(max(every_s, REST * took_s))
    except KeyboardInterrupt:
        return
