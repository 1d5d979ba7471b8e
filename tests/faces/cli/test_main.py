"""The command `glass` as a whole: its ways out."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from glassmail.faces.cli.main import glass


def test_a_reader_that_is_gone_is_no_trouble():
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "glassmail.faces.cli", "settings", "variables"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_misspelt_verb_is_answered_with_the_one_that_may_be_meant():
    done = CliRunner().invoke(glass, ["stauts", "--json"])
    assert done.exit_code == 2
    assert "No such command 'stauts'. Did you mean 'status'?" in done.stderr
    done = CliRunner().invoke(glass, ["zzz"])
    assert done.exit_code == 2
    assert "No such command 'zzz'." in done.stderr
    assert "mean" not in done.stderr


@pytest.mark.parametrize("words", [["queue", "list"], ["user", "list"], ["serve"], ["why"]])
def test_every_verb_says_where_the_site_is_looked_for(words):
    told = " ".join(CliRunner().invoke(glass, [*words, "--help"]).output.split())
    assert "The site; else $GLASSMAIL_ROOT, else /var/lib/glassmail." in told
