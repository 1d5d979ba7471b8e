"""tcprulescheck RULES.CDB: what a cdb of rules says of a client (tcprulescheck.c).

The client is told by the variables TCPREMOTEIP, TCPREMOTEHOST and TCPREMOTEINFO.
"""

import os
import sys

from glassmail.core.formats.cdb import CdbError
from glassmail.core.formats.client_keys import network_text
from glassmail.core.formats.tcp_rules import from_records
from glassmail.core.model.system_errors import error_text
from glassmail.core.route.tcp_rules import RuleMatch, match
from glassmail.store.cdb import Cdb


def main(argv: list[str] | None = None) -> int:
    """Run the command; arguments after the first are ignored."""
    arguments = sys.argv if argv is None else argv
    if len(arguments) < 2:
        sys.stderr.write("tcprulescheck: usage: tcprulescheck rules.cdb\n")
        return 100
    path = arguments[1]
    try:
        file = Cdb(path).current()
        if file is None:
            return _die(path, b"file does not exist")
        rules = from_records(file.records(), path)
    except OSError as error:
        return _die(path, error_text(error))
    except CdbError:
        # The cdb library cannot map an empty file, and calls a damaged one a protocol error.
        is_empty = os.path.getsize(path) == 0
        return _die(path, b"invalid argument" if is_empty else b"protocol error")
    ip = os.environb.get(b"TCPREMOTEIP", b"0.0.0.0")
    host = os.environb.get(b"TCPREMOTEHOST")
    found = match(rules, ip, host, os.environb.get(b"TCPREMOTEINFO"))
    sys.stdout.buffer.write(_shown(found))
    sys.stdout.buffer.flush()
    return 0


def _shown(found: RuleMatch) -> bytes:
    if found.key is None:
        return b"default:\nallow connection\n"
    key = network_text(found.key) if found.key[:1] in (b"_", b"^") else found.key
    lines = [b"rule " + key + b":"]
    if found.allow:
        lines += [
            b"set environment variable " + name + b"=" + value for name, value in found.environment
        ]
    lines.append(b"allow connection" if found.allow else b"deny connection")
    return b"\n".join(lines) + b"\n"


def _die(path: str, reason: bytes) -> int:
    text = b"tcprulescheck: fatal: unable to read " + os.fsencode(path) + b": " + reason + b"\n"
    sys.stderr.buffer.write(text)
    sys.stderr.buffer.flush()
    return 111
