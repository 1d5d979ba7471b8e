"""Every parser of foreign bytes holds for 100,000 mutated inputs (90 s on two cores).

bench/fuzz.py does the work; `make fuzz` makes 10 million for each, guided by coverage where
atheris is installed. GLASSMAIL_FUZZ_RUNS sets another number.
"""

import importlib
import os
import pkgutil
import re
import subprocess
import sys

from glassmail.core import formats
from tests.faults.harness import BENCH

RUNS = os.environ.get("GLASSMAIL_FUZZ_RUNS", "100000")
# They only write, or read what another one has parsed.
WITHOUT_TARGET = {"bounce", "date", "queue_exit", "received"}


def test_every_target_holds():
    words = ["--runs", RUNS, "--plain", "--seed", "1997"]
    done = subprocess.run(
        [sys.executable, str(BENCH / "fuzz.py"), *words],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("all held")


def test_every_format_has_a_target():
    """A target names the module of the format that it feeds."""
    names = ("fuzz_targets.py", "fuzz_texts.py")
    source = "".join((BENCH / name).read_text("utf-8") for name in names)
    missing = set()
    for module in pkgutil.iter_modules(formats.__path__):
        importlib.import_module(f"{formats.__name__}.{module.name}")
        if not re.search(rf"\b{module.name}\b", source):
            missing.add(module.name)
    assert missing == WITHOUT_TARGET


def test_the_dialogue_has_targets():
    listed = subprocess.run(
        [sys.executable, str(BENCH / "fuzz.py"), "--list"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.split()  # fmt: skip
    wanted = {"smtp_server", "data_reader", "address", "header_scan", "header_field", "injection"}
    assert wanted <= set(listed)
