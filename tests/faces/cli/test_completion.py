"""Completion in the real shells: bash, zsh and fish."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from glassmail.faces.cli.main import glass
from tests.admin.site import make

SOURCE = Path(__file__).resolve().parents[3] / "src"
# Each prints what the shell would offer for the words, a line each.
BASH = """
source <(glass completion bash)
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="{words}" COMP_POINT=${{#COMP_LINE}}
_glass_completion glass && printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = """
glass completion fish | source
complete -C "{words}" | string split -f 1 \\t
"""
ZSH = """
autoload -Uz compinit && compinit -u -D
compdef() {{ }}
compadd() {{ print -l -- ${{(P)@[-1]}}; }}
_describe() {{ print -l -- ${{(P)3}}; }}
_path_files() {{ }}
source <(glass completion zsh)
words=({words}) CURRENT=${{#words}}
_glass_completion
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
TYPED = {
    "glass dom": "domain",
    "glass domain rem": "remove",
    "glass user show tam": "tammy@example.test",
    "glass user show tammy@exa": "tammy@example.test",
    "glass domain show exa": "example.test",
    "glass alias list exa": "example.test",
    "glass alias show sal": "sales@example.test",
    "glass user set tammy@example.test --deny im": "imap",
    "glass user add --quo": "--quota",
    "glass user add fresh@exa": "fresh@example.test",
    "glass alias add sal": "sales@example.test",
    "glass alias add info@example.test bo": "bob@example.test",
    "glass trace sales@exa": "sales@example.test",
    "glass domain set example.test --off im": "imap",
    "glass domain set example.test --limit maxf": "maxforwards=",
    "glass domain set example.test --catch-all bou": "bounce-no-mailbox",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    base = tmp_path_factory.mktemp("completion")
    place = make(base)
    program = base / "glass"
    code = "from glassmail.faces.cli.main import main; main()"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{base}:{os.environ['PATH']}", "PYTHONPATH": str(SOURCE), "HOME": str(base),
        "GLASSMAIL_ROOT": place.root, "LC_ALL": "C.UTF-8",
    }  # fmt: skip


@pytest.mark.covers("glass/completion")
@pytest.mark.parametrize("shell", list(SHELLS))
def test_what_a_shell_offers(environment, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    for typed, wanted in TYPED.items():
        script = SHELLS[shell].format(words=typed)
        # glass sees its own name in the words, and nothing else of this test
        done = subprocess.run(
            [shell, "-c", script], env=environment, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        offered = [line.strip().partition(":")[0] for line in done.stdout.splitlines()]
        assert wanted in offered, (shell, typed, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [("glass user show tammy@exa", "user show tammy@example.test"),
     ("glass alias show sales@", "alias show sales@example.test"),
     ("glass alias add new@example.test bob@exa", "alias add new@example.test bob@example.test"),
     ("glass user set tammy@example.test --comment 'A B' --quo",
      "user set tammy@example.test --comment A B --quota"),
     ("glass domain sho", "domain show")],
)  # fmt: skip
def test_what_stands_on_the_line_after_the_tab_key(environment, tmp_path, typed, wanted):
    # bash parts words at an @ by itself, which is not to be seen with words that are given to it.
    rules = tmp_path / "rules"
    rules.write_text('source <(glass completion bash)\nglass() { echo "<$*>"; }\n')
    leader, follower = os.openpty()
    shell = subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", rules, "-i"], env={**environment, "TERM": "dumb"},
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    try:
        os.write(leader, f"{typed}\t\nexit\n".encode())
        said = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while data := os.read(leader, 65_536):
                said += data
        assert f"<{wanted}>".encode() in said
    finally:
        shell.kill()
        shell.wait()
        os.close(leader)


def test_without_a_site_nothing_is_offered(environment):
    done = subprocess.run(
        ["bash", "-c", BASH.format(words="glass domain show ex")],
        env={**environment, "GLASSMAIL_ROOT": "/nowhere"}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts(shell):
    done = CliRunner().invoke(glass, ["completion", shell])
    assert done.exit_code == 0
    assert "_GLASS_COMPLETE" in done.output


def test_another_shell():
    assert CliRunner().invoke(glass, ["completion", "tcsh"]).exit_code == 2
