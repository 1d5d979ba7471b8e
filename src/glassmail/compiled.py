"""The modules that every message passes, compiled to machine code: found, checked, preferred.

Purpose:
    `make compile` translates the modules of PATTERNS with mypyc, from the very sources that are
    interpreted otherwise, into a directory beside Python's other packages. `prefer` makes later
    imports take them from there. Only `glass serve` does: its daemons live long, everything else
    would only start later by it.

Always:
    - All or nothing: compiled modules call each other without a look at Python's names, and rely
      on the types that other modules declare. So one source of the package that differs from what
      was compiled, or one compiled file that is not as it was written, means that none is used.
    - Without them everything works the same, at a third more CPU.
"""

import hashlib
import importlib.util
import json
import os
import sys
import sysconfig
from enum import Enum
from importlib.machinery import ModuleSpec

DIRECTORY = os.path.join(sysconfig.get_path("platlib"), "glassmail_compiled")
MANIFEST = "manifest.json"
PACKAGE = os.path.dirname(os.path.abspath(__file__))
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"

# What a message passes in smtpd and in the queue process; the other processes gain nothing by it
# (docs/adr/0013). What touches the disk is interpreted.
PATTERNS = (
    "core/model/*", "core/model/questions/*", "core/policy/*", "core/protocol/*",
    "core/formats/client_keys", "core/formats/received",
    "core/route/rcpthosts", "core/route/tcp_rules", "core/schedule/*",
    "stations/session*", "stations/*_session", "stations/arrival", "stations/front_policy",
    "stations/introduction", "stations/login_ask", "stations/record", "stations/services",
    "net/channel", "net/link", "daemons/smtpd_connection", "daemons/queue/*",
)  # fmt: skip
# Not passed by every message, or with classes that must stay Python's (slots over an interpreted
# class), or such that mypyc does not understand.
LEFT_OUT = frozenset({
    "core/model/remote_texts", "core/model/system_errors", "core/model/vpopmail_faults",
    "core/protocol/proxy_protocol", "core/protocol/remote_reply", "core/protocol/replies",
    "core/protocol/smtp_client", "core/protocol/transcript", "core/protocol/wording",
    "core/schedule/gate_book", "core/schedule/rates",
    "daemons/queue/admin", "daemons/queue/drop", "daemons/queue/main", "daemons/queue/overview",
    "daemons/queue/peers",
})  # fmt: skip


class Standing(Enum):
    """What is there of compiled modules; the value is told to people."""

    CURRENT = "they are current"
    STALE = "they are of other sources"
    DAMAGED = "they are damaged"
    UNREADABLE = "this user may not read them"
    ABSENT = "there are none"


def standing(directory: str = DIRECTORY, package: str = PACKAGE) -> Standing:
    """Tell whether compiled modules are there, whole, made by this Python from these sources.

    Args:
        directory: what `make compile` wrote.
        package: the directory `glassmail/` of the sources.
    """
    try:
        with open(os.path.join(directory, MANIFEST), "rb") as file:
            manifest = json.load(file)
        if manifest["suffix"] != SUFFIX or manifest["sources"] != digest_of(package, ".py"):
            return Standing.STALE
        is_whole = manifest["files"] == digest_of(directory, SUFFIX)
    except (FileNotFoundError, NotADirectoryError):
        return Standing.ABSENT
    except PermissionError:
        return Standing.UNREADABLE
    except (OSError, ValueError, LookupError, TypeError):
        return Standing.DAMAGED
    return Standing.CURRENT if is_whole else Standing.DAMAGED


def files_of(directory: str, suffix: str) -> dict[str, str]:
    """Return dotted module -> file of everything below a directory that ends so.

    Raises:
        OSError: a directory cannot be read.
    """
    found = {}
    for where, folders, names in os.walk(directory, onerror=_raise):
        folders[:] = [folder for folder in folders if folder != "__pycache__"]
        above = os.path.relpath(where, directory)
        package = "" if above == os.curdir else above.replace(os.sep, ".") + "."
        for name in names:
            if name.endswith(suffix):
                found[package + name.removesuffix(suffix)] = os.path.join(where, name)
    return found


def _raise(error: OSError) -> None:
    raise error


def digest_of(directory: str, suffix: str) -> str:
    """Return one SHA-256 over names and contents of these files; raises OSError."""
    whole = hashlib.sha256()
    for name, path in sorted(files_of(directory, suffix).items()):
        with open(path, "rb") as file:
            whole.update(f"{name}\0{hashlib.sha256(file.read()).hexdigest()}\n".encode())
    return whole.hexdigest()


def prefer(directory: str = DIRECTORY) -> Standing:
    """Let imports from now on take compiled modules, when they are current.

    Raises:
        RuntimeError: one of them was imported from its source already, which cannot be mixed.
    """
    found = standing(directory)
    if found is Standing.CURRENT:
        finder = _Finder(files_of(directory, SUFFIX))
        if early := finder.imported():
            raise RuntimeError(f"imported before its compiled form was looked for: {early}")
        sys.meta_path.insert(0, finder)
    return found


class _Finder:
    """Knows the compiled modules by name; what it does not know is others' to find."""

    def __init__(self, files: dict[str, str]) -> None:
        self._files = files

    def imported(self) -> str:
        """Name a module that came too early; empty when none did."""
        return min(self._files.keys() & sys.modules.keys(), default="")

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        """As importlib.abc.MetaPathFinder has it."""
        file = self._files.get(name)
        return importlib.util.spec_from_file_location(name, file) if file else None
