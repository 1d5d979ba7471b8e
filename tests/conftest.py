"""Hooks of the whole run: how the tests that claim to cover something ended."""

import json
import signal
from pathlib import Path

import pytest

from tests.covers import RESULTS, of_item

PROJECT = Path(__file__).resolve().parent.parent
_results = {}


def pytest_configure(config):
    line = "covers(*names): what the test observes; see tests/covers.py"
    config.addinivalue_line("markers", line)
    # A shell that runs us in the background has us ignore SIGINT; our children must not.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if (call.when == "call" or report.outcome != "passed") and of_item(item):
        before = _results.get(item.nodeid)
        _results[item.nodeid] = before if before == "failed" else report.outcome
    return report


def pytest_sessionfinish():
    """Keep what ran before and did not run now; a test that is gone drops out of the page."""
    if not _results:
        return
    path = PROJECT / RESULTS
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**known, **_results}, indent=0, sort_keys=True), "utf-8")
