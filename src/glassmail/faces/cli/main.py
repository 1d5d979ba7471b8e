"""The command `glass`: a group whose verbs are imported only when they are called."""

import importlib
import os
import sys
from typing import Any

import click

# verb -> (module below faces.cli, attribute), in the order that --help shows
VERBS = {
    "init": "init",
    "serve": "serve",
    "stop": "control",
    "restart": "control",
    "reload": "control",
    "status": "status",
    "trace": "trace",
    "why": "why",
    "doctor": "doctor",
    "policy": "policy",
    "domain": "domain",
    "user": "user",
    "alias": "alias",
    "block": "block",
    "tap": "tap",
    "queue": "queue",
    "settings": "settings",
    "log": "log",
    "completion": "completion",
}


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports one when it is needed."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Name the verbs in the order of a site's life."""
        return list(VERBS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Import the module of a verb."""
        module = VERBS.get(name)
        if module is None:
            return None
        command = getattr(importlib.import_module(f"glassmail.faces.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; of a misspelt one, say which may be meant."""
        if args[0] not in VERBS and not ctx.resilient_parsing:
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, 1)
            if near:
                ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 -- as click has it
        """Run the verb; a reader of its output that goes away (`| head`) is no fault."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The interpreter would try to write the rest as it ends, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return ctx.exit(0)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="glassmail", prog_name="glass")
def glass() -> None:
    """A mail server you can see through.

    Start with `glass init`, then `glass serve`. Ask `glass trace ADDRESS` what would happen to a
    message, `glass why CODE|ADDRESS|MESSAGE-ID` what did, and `glass doctor` what is wrong here.
    """


def main() -> None:
    """Run `glass`; every way out is an exit status (0, 1, 2 usage, 3 cannot tell, 111)."""
    glass(prog_name="glass")  # however it was started; shells complete by this name
