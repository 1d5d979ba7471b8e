"""Claims of tests name rows that there are, and complete areas have no red row."""

import runpy

from tests.house.sources import PROJECT


def test_claims_and_complete_areas():
    generator = runpy.run_path(str(PROJECT / "tools" / "generate_coverage.py"))
    assert generator["problems"]() == []
