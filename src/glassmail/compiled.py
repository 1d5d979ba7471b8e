"""The modules that every message passes, compiled to machine code: found, checked, preferred.

Purpose:
    `make compile` translates the modules of the front door and the queue with mypyc, from the very
    sources that are interpreted otherwise, into a directory beside Python's other packages.
    `prefer` makes later imports take them from there. Only `glass serve` does: its daemons live
    long, everything else would only start later by it.

Always:
    - All or nothing: compiled modules call each other without a look at Python's names, so one
      source that differs from what was compiled means that none of them is used.
    - Without them everything works the same, at a third more CPU.
"""

import hashlib
import importlib.util
import json
import os
import sys
import sysconfig
from collections.abc import Mapping
from enum import Enum
from importlib.machinery import ModuleSpec

DIRECTORY = os.path.join(sysconfig.get_path("platlib"), "glassmail_compiled")
MANIFEST = "manifest.json"
PACKAGES = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"


class Standing(Enum):
    """What is there of compiled modules; the value is told to people."""

    CURRENT = "compiled from these sources"
    STALE = "compiled from other sources"
    ABSENT = "not compiled"


def standing(directory: str = DIRECTORY, packages: str = PACKAGES) -> Standing:
    """Tell whether compiled modules are there, made by this Python from these sources.

    Args:
        directory: what `make compile` wrote.
        packages: the directory that holds `glassmail/`.
    """
    try:
        with open(os.path.join(directory, MANIFEST), "rb") as file:
            manifest = json.load(file)
        made_by, sources = manifest["suffix"], manifest["sources"]
    except (FileNotFoundError, NotADirectoryError):
        return Standing.ABSENT
    except (OSError, ValueError, LookupError, TypeError):
        return Standing.STALE
    is_current = made_by == SUFFIX and sources == digests(sources, packages)
    return Standing.CURRENT if is_current else Standing.STALE


def digests(modules: Mapping[str, str] | tuple[str, ...], packages: str) -> dict[str, str]:
    """Return module -> SHA-256 of its source; of a missing source, empty."""
    found = {}
    for module in modules:
        try:
            with open(os.path.join(packages, *module.split(".")) + ".py", "rb") as file:
                found[module] = hashlib.sha256(file.read()).hexdigest()
        except OSError:
            found[module] = ""
    return found


def prefer(directory: str = DIRECTORY) -> Standing:
    """Let imports from now on take compiled modules, when they are current.

    Raises:
        RuntimeError: one of them was imported from its source already, which cannot be mixed.
    """
    found = standing(directory)
    if found is Standing.CURRENT:
        finder = _Finder(directory)
        if early := finder.imported():
            raise RuntimeError(f"imported before its compiled form was looked for: {early}")
        sys.meta_path.insert(0, finder)
    return found


class _Finder:
    """Knows the compiled modules by name; what it does not know is others' to find."""

    def __init__(self, directory: str) -> None:
        self._files: dict[str, str] = {}
        for where, _, names in os.walk(directory):
            above = os.path.relpath(where, directory)
            package = "" if above == os.curdir else above.replace(os.sep, ".") + "."
            for name in names:
                if name.endswith(SUFFIX):
                    self._files[package + name.removesuffix(SUFFIX)] = os.path.join(where, name)

    def imported(self) -> str:
        """Name a module that came too early; empty when none did."""
        return min(self._files.keys() & sys.modules.keys(), default="")

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        """As importlib.abc.MetaPathFinder has it."""
        file = self._files.get(name)
        return importlib.util.spec_from_file_location(name, file) if file else None
