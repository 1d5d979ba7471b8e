"""Every fuzz target holds for its seeds and some thousand mutations; `make fuzz` makes more.

GLASSMAIL_FUZZ_RUNS sets how many.
"""

import os

import fuzz
import pytest
from fuzz_targets import TARGETS

RUNS = int(os.environ.get("GLASSMAIL_FUZZ_RUNS", "1500"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_target_holds(target):
    for data in fuzz.inputs(target.seeds, RUNS, seed=20261121):
        try:
            target.run(data)
        except Exception as error:
            raise AssertionError(f"{target.name} broke on {data!r}") from error


def test_mutations_are_repeatable():
    assert list(fuzz.inputs((b"abc",), 50, 1)) == list(fuzz.inputs((b"abc",), 50, 1))


def test_every_format_has_a_target():
    """A new parser in core/formats must come with a target, or say here why it needs none."""
    import glassmail.core.formats as formats

    # They write only, or read what another target reads already.
    without = {
        "bounce", "client_keys", "control_line", "date", "dns_servers", "header_identity",
        "header_inject", "header_rewrite", "pw2u", "queue_exit", "received",
    }  # fmt: skip
    with open(fuzz.HERE + "/fuzz_targets.py", encoding="utf-8") as source:
        text = source.read()
    names = {name[:-3] for name in os.listdir(formats.__path__[0]) if name.endswith(".py")}
    missing = {name for name in names - without - {"__init__"} if name not in text}
    assert not missing
