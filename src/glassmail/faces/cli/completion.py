"""`glass completion`: what a shell needs to complete verbs, options, domains and addresses."""

import sys

import click
from click.shell_completion import get_completion_class

_WHERE = {
    "bash": "glass completion bash > ~/.local/share/bash-completion/completions/glass",
    "zsh": "glass completion zsh > a directory of $fpath, named _glass",
    "fish": "glass completion fish > ~/.config/fish/completions/glass.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_WHERE)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a SHELL: bash, zsh or fish.

    \b
    bash  glass completion bash > ~/.local/share/bash-completion/completions/glass
    zsh   glass completion zsh > a directory of $fpath, named _glass
    fish  glass completion fish > ~/.config/fish/completions/glass.fish
    """  # noqa: D301 (\b keeps click from joining the lines)
    kind = get_completion_class(shell)
    if kind is None:
        click.echo(f"glass completion: {shell} is not known", err=True)
        sys.exit(2)
    made = kind(context.find_root().command, {}, "glass", "_GLASS_COMPLETE")
    click.echo(made.source_template % made.source_vars())
