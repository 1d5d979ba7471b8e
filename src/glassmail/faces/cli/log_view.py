"""How lines of the text logs are shown: local time, colours, JSON, or as they stand."""

import json
import os
import re
import sys
from collections.abc import Callable

import click

from glassmail.events.fields import time_of
from glassmail.events.line_filter import Line
from glassmail.explain.moments import show_clock, show_moment
from glassmail.explain.steps import shown

COLOURS = ("auto", "always", "never")

_RULES = (
    (re.compile(r"^(?:alert:|delivery \d+: failure:|refused |bounce msg|\w+ bounce:)"), "red"),
    (re.compile(r"^(?:warning:|delivery \d+: (?:deferral:|report))"), "yellow"),
    (re.compile(r"^delivery \d+: success:"), "green"),
    (re.compile(r"^(?:status:|session )"), "bright_black"),
    (re.compile(r"^(?:new msg|info msg|end msg|starting delivery)"), "cyan"),
)


class View:
    """Writes lines to standard output."""

    def __init__(self, names: tuple[str, ...], *, colour: str, as_json: bool, raw: bool) -> None:
        """Choose the form.

        Args:
            names: the logs that are shown; with several each line says which one it is of.
            colour: one of COLOURS; auto: on a terminal, unless NO_COLOR is set (click).
            as_json: an object a line.
            raw: lines as they stand.
        """
        is_coloured = {"always": True, "never": False}.get(colour)
        if is_coloured is None:
            is_coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._is_coloured = is_coloured
        self._width = max(map(len, names)) if len(names) > 1 else 0
        self._form: Callable[[Line], str] = (
            _as_json if as_json else _as_it_stands if raw else self._readable
        )

    def write(self, line: Line) -> None:
        """Show one line."""
        click.echo(self._form(line), color=self._is_coloured)

    def _readable(self, line: Line) -> str:
        text = shown(line.text)
        stamp = f"{show_moment(line.at)[:10]} {show_clock(line.at)}" if line.at else ""
        name = f" {line.log:<{self._width}}" if self._width else ""
        if self._is_coloured:
            stamp = click.style(stamp, dim=True)
            for rule, colour in _RULES:
                if rule.match(text):
                    text = click.style(text, fg=colour)
                    break
        return f"{stamp}{name} {text}".lstrip()


def _as_json(line: Line) -> str:
    moment = time_of(line.at) if line.at else ""
    return json.dumps({"time": moment, "log": line.log, "line": shown(line.text)})


def _as_it_stands(line: Line) -> str:
    return shown(line.raw)
