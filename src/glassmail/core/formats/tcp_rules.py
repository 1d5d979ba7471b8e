"""Rules for clients, `address:allow,VAR="value"`, as text and as the records of a cdb (tcprules).

Reading rules:
    - The address ends at the first colon that is followed by `allow` or `deny` and then by the
      line's end or a comma. So both IPv6 addresses (ucspi-tcp6) and colons in values
      (ucspi-tcp 0.88) work.
    - Leading blanks belong to the address, trailing blanks of the line are cut; `#` lines and
      lines without a colon are ignored.
    - Ranges (`1.2.3.37-53`, `10.2-3.`) are expanded; not in keys that hold
      `=` or `@`.
    - Of several rules with the same key the FIRST counts, as a cdb look-up finds it.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from glassmail.core.formats.client_keys import full_v6, network_key, network_text
from glassmail.core.formats.control import BLANKS, show
from glassmail.core.model.redaction import redact_rule

_INSTRUCTION = re.compile(rb":(allow|deny)(?=,|\Z)")
_DIGITS_MAX = 1_000  # of the numbers of a range; int() itself ends at 4,300
_VARIABLE = re.compile(rb",([^=]*)=(.)", re.DOTALL)


class TcpRulesError(ValueError):
    """A line cannot be parsed. `line` is its text, `number` its place, from 1."""

    def __init__(self, line: bytes, number: int, name: str) -> None:
        shown = redact_rule(show(line))
        super().__init__(f"{name}:{number}: unable to parse this line: {shown}")
        self.line = line
        self.number = number


class Rule(NamedTuple):
    """What is done with a client: let in or not, which variables are set, where it stands."""

    allow: bool
    environment: tuple[tuple[bytes, bytes], ...]
    source: str


class TcpRules(NamedTuple):
    """A rules file: its name, its rules by key, and the lengths of its CIDR keys, longest first."""

    name: str
    rules: dict[bytes, Rule]
    v4_prefixes: tuple[int, ...] = ()
    v6_prefixes: tuple[int, ...] = ()


def parse(data: bytes, name: str) -> TcpRules:
    """Parse rules as text; raises TcpRulesError at the first line that tcprules would refuse."""
    rules: dict[bytes, Rule] = {}
    for number, line, address, instruction in _lines(data, name):
        allow, environment = _instruction(instruction, line, number, name)
        rule = Rule(allow, environment, redact_rule(f"{name}:{number} {show(line)}"))
        for key in _keys(address, line, number, name):
            rules.setdefault(key, rule)
    return _index(name, rules)


def records(data: bytes, name: str) -> Iterator[tuple[bytes, bytes]]:
    """Turn rules as text into the records of their cdb, in order; raises TcpRulesError."""
    for number, line, address, instruction in _lines(data, name):
        allow, environment = _instruction(instruction, line, number, name)
        value = render_rule(allow, environment)
        for key in _keys(address, line, number, name):
            yield key, value


def render_rule(allow: bool, environment: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Write a rule as the data of a cdb record."""
    parts = [] if allow else [b"D\0"]
    parts += [b"+" + variable + b"=" + value + b"\0" for variable, value in environment]
    return b"".join(parts)


def read_rule(data: bytes, source: str) -> Rule:
    """Read the data of a cdb record (rules.c): items end with NUL, unknown letters are ignored."""
    allow = True
    environment = []
    for item in data.split(b"\0")[:-1]:
        if item.startswith(b"D"):
            allow = False
        elif item.startswith(b"+"):
            variable, _, value = item[1:].partition(b"=")
            environment.append((variable, value))
    return Rule(allow, tuple(environment), source)


def from_records(records_of_cdb: Iterable[tuple[bytes, bytes]], name: str) -> TcpRules:
    """Take the rules of a cdb, ours or one that tcprules of ucspi-tcp or ucspi-tcp6 made."""
    rules: dict[bytes, Rule] = {}
    for stored, data in records_of_cdb:
        key = _key_of_record(stored)
        shown = network_text(key) if key[:1] in (b"_", b"^") else key
        rules.setdefault(key, read_rule(data, f"{name} {show(shown)}:"))
    return _index(name, rules)


def _key_of_record(stored: bytes) -> bytes:
    if stored[:1] in (b"_", b"^"):
        return stored.rstrip(b"\0")  # some releases of ucspi-tcp6 store the final NUL too
    if b":" in stored and b"=" not in stored:
        return _v6_key(stored) or stored
    return stored


def _index(name: str, rules: dict[bytes, Rule]) -> TcpRules:
    v4 = {len(key) - 1 for key in rules if key.startswith(b"_")}
    v6 = {len(key) - 1 for key in rules if key.startswith(b"^")}
    return TcpRules(name, rules, tuple(sorted(v4, reverse=True)), tuple(sorted(v6, reverse=True)))


def _lines(data: bytes, name: str) -> Iterator[tuple[int, bytes, bytes, bytes]]:
    """List what counts: (line number, line, address, what follows `allow` or `deny`)."""
    for number, raw in enumerate(data.split(b"\n"), 1):
        if raw.startswith(b"#"):
            continue
        line = raw.rstrip(BLANKS)
        found = _INSTRUCTION.search(line)
        if found is not None:
            yield number, line, line[: found.start()], line[found.start() + 1 :]
        elif b":" in line:
            raise TcpRulesError(line, number, name)


def _instruction(
    text: bytes, line: bytes, number: int, name: str
) -> tuple[bool, tuple[tuple[bytes, bytes], ...]]:
    allow = text.startswith(b"allow")
    position = 5 if allow else 4
    environment = []
    while position < len(text):
        found = _VARIABLE.match(text, position)
        if found is None:
            raise TcpRulesError(line, number, name)
        # Whatever stands first behind the `=` is the quote character.
        end = text.find(found[2], found.end())
        if end < 0:
            raise TcpRulesError(line, number, name)
        environment.append((found[1], text[found.end() : end]))
        position = end + 1
    return allow, tuple(environment)


def _keys(address: bytes, line: bytes, number: int, name: str) -> list[bytes]:
    """List the keys of a rule: one, or those of a range."""
    if b"=" in address:
        return [address]
    if b":" in address or b"/" in address:
        key = network_key(address) if b"/" in address else _v6_key(address)
        if key is None:
            raise TcpRulesError(line, number, name)
        return [key]
    if b"-" not in address or b"@" in address:
        return [address]
    # tcprules.c doaddressdata: the numbers around the first `-`, between the dots around it.
    minus = address.index(b"-")
    left = address.rfind(b".", 0, minus) + 1
    right = address.find(b".", minus)
    right = len(address) if right < 0 else right
    bottom, top = address[left:minus], address[minus + 1 : right]
    if (bottom + top).strip(b"0123456789") or len(bottom + top) > _DIGITS_MAX:
        raise TcpRulesError(line, number, name)
    # scan_ulong: no digits are 0, and 64 bits are kept.
    first, last = int(bottom or b"0") % 2**64, int(top or b"0") % 2**64
    numbers = range(first, min(last, 255) + 1)
    return [address[:left] + b"%d" % value + address[right:] for value in numbers]


def _v6_key(address: bytes) -> bytes | None:
    info, at, bare = address.rpartition(b"@")
    full = full_v6(bare)
    return None if full is None else info + at + full
