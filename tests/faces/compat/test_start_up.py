"""What the commands that mail programs start may import: start-up has a budget of 25 ms."""

import subprocess
import sys

import pytest

from tests.faces.compat.command import environment, make_site

SLOW = {"asyncio", "msgspec", "dataclasses", "inspect", "typing", "json", "click", "rich",
        "subprocess", "hashlib", "ctypes", "random", "logging", "pathlib"}  # fmt: skip


@pytest.mark.parametrize("module", ["qmail_queue", "qmail_inject", "sendmail"])
def test_only_what_they_need(tmp_path, module):
    code = f"import sys, glassmail.faces.compat.{module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=30,
        env=environment(make_site(tmp_path)),
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert not SLOW & loaded
    assert len([name for name in loaded if name.startswith("glassmail")]) < 32
