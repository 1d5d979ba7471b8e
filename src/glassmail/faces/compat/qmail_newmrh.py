"""qmail-newmrh: make control/morercpthosts.cdb from control/morercpthosts (qmail-newmrh.c)."""

import os
import sys
from collections.abc import Iterator

from glassmail.core.formats.control import lines_of
from glassmail.core.model.system_errors import error_text
from glassmail.faces.compat import cdb_output
from glassmail.faces.compat.cdb_output import StageError
from glassmail.settings.place import find_root

_TEMPORARY = "control/morercpthosts.tmp"
_CDB = "control/morercpthosts.cdb"
_TEXTS = {
    "create": f"unable to write to {_TEMPORARY}: ",
    "write": f"unable to write to {_TEMPORARY}: ",
    "move": f"unable to move {_TEMPORARY} to {_CDB}",  # QUIRK: nothing parts it from the reason
}


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    os.umask(0o033)
    root = find_root(None)
    try:
        os.chdir(root)
    except OSError as error:
        return _die(f"unable to chdir to {root}: ", error)
    try:
        with open("control/morercpthosts", "rb") as file:
            output = cdb_output.create(_TEMPORARY)
            data = file.read()
    except OSError as error:
        return _die("unable to read control/morercpthosts: ", error)
    except StageError as error:
        return _die(_TEXTS[error.stage], error.cause)
    try:
        cdb_output.finish(output, _TEMPORARY, _CDB, _records(data))
    except StageError as error:
        return _die(_TEXTS[error.stage], error.cause)
    return 0


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for _, line in lines_of(data):
        yield line.lower(), b""


def _die(text: str, error: OSError) -> int:
    sys.stderr.write(f"qmail-newmrh: fatal: {text}{error_text(error).decode()}\n")
    return 111
