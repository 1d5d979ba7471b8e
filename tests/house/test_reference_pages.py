"""docs/reference is what the code says now."""

import runpy

from tests.house.sources import PROJECT


def _generator():
    return runpy.run_path(str(PROJECT / "tools" / "generate_docs.py"))


def test_no_page_is_stale():
    assert _generator()["stale"]() == [], "run python tools/generate_docs.py"


def test_every_text_has_a_sentence():
    for name, function in _generator()["remote_functions"]().items():
        assert function.__doc__, name
