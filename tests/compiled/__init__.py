"""Tests of the compiled modules."""

import pytest

from glassmail.compiled import Standing, standing

needs_compiled = pytest.mark.skipif(
    standing() is not Standing.CURRENT,
    reason=f"compiled modules: {standing().value}: `make compile`",
)
