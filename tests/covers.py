"""What tests observe: names of things that administrators rely on, and how tests claim them.

A test says `@pytest.mark.covers("control/databytes", "reply/databytes")`, a whole module
`pytestmark = pytest.mark.covers(...)`. A dialogue claims by itself the replies that it expects
and the control files that it sets. `tools/generate_coverage.py` knows all names and makes
docs/coverage.md; conftest.py records how the claiming tests ended.
"""

import pytest

from glassmail.core.protocol.replies import REPLIES
from tests.dialogue import DEFAULTS

RESULTS = ".cache/covers.json"


def row(name, *values):
    """A parameter set that observes one row of docs/coverage.md, and is called by its name."""
    return pytest.param(*values, marks=pytest.mark.covers(name), id=name)


def of_dialogue(dialogue):
    """What a dialogue observes: `reply/ID` and `control/NAME`."""
    names = {f"control/{name}" for name in dialogue.controls if name not in DEFAULTS}
    names |= {f"control/{name}" for name in DEFAULTS if dialogue.controls.get(name) is None}
    expected = [line for who, line in dialogue.turns if who == "S"]
    for name, reply in REPLIES.items():
        wanted = b"%d %b" % (reply.code, reply.text.split(b"\n")[-1])
        said = [line for line in expected if line == wanted or line.startswith(wanted + b" [")]
        if reply.text and said:
            names.add(f"reply/{name}")
    return names


def of_item(item):
    """What a collected test observes."""
    names = {name for mark in item.iter_markers("covers") for name in mark.args}
    callspec = getattr(item, "callspec", None)
    dialogue = callspec.params.get("dialogue") if callspec is not None else None
    if dialogue is not None and hasattr(dialogue, "turns"):
        names |= of_dialogue(dialogue)
    return names
