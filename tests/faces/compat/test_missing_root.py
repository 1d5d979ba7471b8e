"""Without a site a person is told which directory was looked for; a program gets qmail's text."""

import os
import pty
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("qmail_inject", ["a@b.test"]),
        ("qmail_newu", []),
        ("qmail_pw2u", []),
        ("qmail_tcpto", []),
        ("sendmail", ["a@b.test"]),
    ],
)
def test_the_directory_is_named_on_a_terminal(tmp_path, module, words):
    missing = tmp_path / "no-site"
    reading, terminal = pty.openpty()
    code = f"import sys; from glassmail.faces.compat.{module} import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env={**os.environ, "GLASSMAIL_ROOT": str(missing)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal, timeout=30, check=False,
    )  # fmt: skip
    os.close(terminal)
    said = os.read(reading, 4_096).decode()
    os.close(reading)
    assert done.returncode == 111
    name = module.replace("_", "-")
    assert f"{name}: there is no site at {missing}: name one in $GLASSMAIL_ROOT" in said
