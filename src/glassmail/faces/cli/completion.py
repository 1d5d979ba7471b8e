"""`glass completion`: what a shell needs to complete verbs, options, domains and addresses."""

import sys

import click
from click.shell_completion import BashComplete, get_completion_class

# bash parts `tammy@example.com` into three words for a completion (COMP_WORDBREAKS), and puts what
# is chosen in the place of the last, with an `@` before it (readline's special prefixes). So the
# word is put together for us, and what stays on the line is taken from the answers.
_BASH = r"""
%(complete_func)s() {
    local IFS=$'\n' rest=${COMP_LINE:0:COMP_POINT}
    local word before there completion type value index
    local -a words=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        before=${rest%%%%"$word"*}
        [[ -n $word ]] || before=$rest
        rest=${rest#"$before$word"}
        if ((index == 0)) || [[ $before == *[[:blank:]] ]]; then
            words+=("$word")
        else
            words[-1]+=$word
        fi
    done
    there=${words[-1]%%"${COMP_WORDS[COMP_CWORD]}"}
    there=${there%%@}
    for completion in $(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) \
            %(complete_var)s=bash_complete "$1"); do
        IFS=',' read -r type value <<< "$completion"
        COMPREPLY+=("${value#"$there"}")
        if [[ $type != plain ]]; then
            COMPREPLY=()
            compopt -o default
        fi
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(BashComplete):
    source_template = _BASH


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
    kind = _Bash if shell == "bash" else get_completion_class(shell)
    if kind is None:
        click.echo(f"glass completion: {shell} is not known", err=True)
        sys.exit(2)
    made = kind(context.find_root().command, {}, "glass", "_GLASS_COMPLETE")
    click.echo(made.source_template % made.source_vars())
