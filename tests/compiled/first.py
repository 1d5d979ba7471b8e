"""For `pytest -p tests.compiled.first`: what was compiled is imported in its compiled form."""

from glassmail import compiled

assert compiled.prefer() is compiled.Standing.CURRENT
