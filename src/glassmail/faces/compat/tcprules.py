"""tcprules RULES.CDB TEMPORARY < RULES: make a cdb of rules for clients (tcprules.c)."""

import os
import sys

from glassmail.core.formats import tcp_rules
from glassmail.core.formats.tcp_rules import TcpRulesError
from glassmail.core.model.system_errors import error_text
from glassmail.faces.compat import cdb_output
from glassmail.faces.compat.cdb_output import StageError


def main(argv: list[str] | None = None) -> int:
    """Run the command."""
    arguments = sys.argv if argv is None else argv
    if len(arguments) < 3:
        sys.stderr.write("tcprules: usage: tcprules rules.cdb rules.tmp\n")
        return 100
    path, temporary = arguments[1:3]
    try:
        output = cdb_output.create(temporary)
    except StageError as error:
        return _die(b"unable to create " + os.fsencode(temporary), error.cause)
    try:
        data = sys.stdin.buffer.read()
        records = list(tcp_rules.records(data, "rules"))
    except OSError as error:
        os.close(output)
        return _die(b"unable to read input", error)
    except TcpRulesError as error:
        os.close(output)
        return _die(b"unable to parse this line: " + error.line)
    try:
        cdb_output.finish(output, temporary, path, records)
    except StageError as error:
        if error.stage == "write":
            return _die(b"unable to write to " + os.fsencode(temporary), error.cause)
        names = os.fsencode(temporary) + b" to " + os.fsencode(path)
        return _die(b"unable to move " + names, error.cause)
    return 0


def _die(text: bytes, error: OSError | None = None) -> int:
    reason = b"" if error is None else b": " + error_text(error)
    sys.stderr.buffer.write(b"tcprules: fatal: " + text + reason + b"\n")
    sys.stderr.buffer.flush()
    return 100 if error is None else 111
