"""qmail-newu: make users/cdb from users/assign (qmail-newu.9, qmail-newu.c)."""

import os
import sys

from glassmail.core.formats import assign
from glassmail.faces.compat import cdb_output
from glassmail.faces.compat.cdb_output import StageError
from glassmail.faces.compat.missing_root import tell_person
from glassmail.settings.place import find_root

_TEXTS = {
    "create": "unable to open users/cdb.tmp",
    "write": "unable to write users/cdb.tmp",
    "move": "unable to move users/cdb.tmp to users/cdb",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments are not looked at, as in qmail."""
    del argv
    os.umask(0o033)
    root = find_root(None)
    try:
        os.chdir(root)
    except OSError:
        tell_person("qmail-newu", root)
        return _die("unable to chdir")
    try:
        source = open("users/assign", "rb")  # noqa: SIM115 (opened before the output is touched)
    except OSError:
        return _die("unable to open users/assign")
    with source:
        return _make(source.fileno())


def _make(source: int) -> int:
    try:
        output = cdb_output.create("users/cdb.tmp")
        try:
            data = _read(source)
            assignments = assign.parse(data)
        except OSError:
            os.close(output)
            return _die("unable to read users/assign")
        except assign.AssignError as error:
            os.close(output)
            # A person is told the line, too; a program that reads this gets qmail's text alone.
            hint = f"\nqmail-newu: {error}" if sys.stderr.isatty() else ""
            return _die(f"bad format in users/assign{hint}")
        records = assign.records(assignments)
        cdb_output.finish(output, "users/cdb.tmp", "users/cdb", records)
    except StageError as error:
        return _die(_TEXTS[error.stage])
    return 0


def _read(source: int) -> bytes:
    parts = []
    while data := os.read(source, 1_048_576):
        parts.append(data)
    return b"".join(parts)


def _die(text: str) -> int:
    sys.stderr.write(f"qmail-newu: fatal: {text}\n")
    return 111
