"""Every command that is installed is there and can be called."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
SCRIPTS = tomllib.loads(PROJECT.read_text())["project"]["scripts"]


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_it_has_a_main(name):
    module, _colon, function = SCRIPTS[name].partition(":")
    assert callable(getattr(import_module(module), function))
