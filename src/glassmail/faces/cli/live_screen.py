"""Text for live views: lines of at most 80 columns, and a screen that is drawn again and again."""

import sys
import time
from collections.abc import Callable, Iterable

import click

WIDTH = 80
REST = 4
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


def fit(text: str, width: int) -> str:
    """Make text safe for a terminal and cut it to a width."""
    safe = "".join(c if c.isprintable() else "?" for c in text)
    return safe if len(safe) <= width else safe[: max(0, width - 1)] + "…"


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Break a sentence into lines."""
    import textwrap

    return textwrap.wrap(
        "".join(c if c.isprintable() else "?" for c in text), WIDTH,
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
            click.echo("\n".join(lines))
            sys.stdout.flush()
            time.sleep(max(every_s, REST * took_s))
    except KeyboardInterrupt:
        return
