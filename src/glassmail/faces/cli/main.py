"""The command `glass`: a group whose verbs are imported only when they are called."""

import importlib
import sys

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


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="glassmail", prog_name="glass")
def glass() -> None:
    """A mail server you can see through.

    Start with `glass init`, then `glass serve`. Ask `glass trace ADDRESS` what would happen to a
    message, `glass why CODE|ADDRESS|MESSAGE-ID` what did, and `glass doctor` what is wrong here.
    """


def main() -> None:
    """Run `glass`; every way out is an exit status (0, 1, 2 usage, 3 cannot tell, 111)."""
    try:
        glass(prog_name="glass")  # however it was started; shells complete by this name
    except BrokenPipeError:
        # The reader of our output went away (`glass queue list | head`): that is not a fault.
        sys.stderr.close()
        sys.exit(0)
