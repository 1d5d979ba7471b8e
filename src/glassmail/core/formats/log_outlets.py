"""control/logto: where log lines go, one place a line: `files`, `syslog`, `journal`.

    files                        multilog directories below ROOT/log (the default)
    syslog [FACILITY] [SOCKET]   as splogger writes them; facility 2 (mail), /dev/log
    journal [SOCKET]             systemd's journal, with a field for each part of an event

Several lines may stand together.
"""

from typing import NamedTuple

from glassmail.core.formats.control import Table

FILES = "files"
SYSLOG = "syslog"
JOURNAL = "journal"
FACILITY_MAIL = 2
FACILITY_MAX = 23
SYSLOG_SOCKET = b"/dev/log"
JOURNAL_SOCKET = b"/run/systemd/journal/socket"


class Outlet(NamedTuple):
    """One place. facility and path mean nothing for files."""

    kind: str
    path: bytes = b""
    facility: int = FACILITY_MAIL


class OutletError(ValueError):
    """A line cannot be obeyed; the text names file, line and remedy."""


def parse_outlets(table: Table) -> tuple[Outlet, ...]:
    """Read the places; raises OutletError. Without the file, or with an empty one: files."""
    outlets = [_outlet(entry.key.split(), entry.source) for entry in table.entries.values()]
    return tuple(outlets) or (Outlet(FILES),)


def parse_processors(table: Table, names: tuple[str, ...]) -> dict[str, bytes]:
    """Read control/logprocessor: log -> program, for the logs with these names; OutletError."""
    processors = {}
    if table.ignored:
        raise OutletError(f"{table.ignored[0]}: write `LOG:PROGRAM`, as in `send:gzip`")
    for entry in table.entries.values():
        name = entry.key.decode("ascii", "replace")
        if name not in names:
            known = ", ".join(names)
            raise OutletError(f"{entry.source}: there is no log {name}; the logs are {known}")
        if entry.value.strip():
            processors[name] = entry.value.strip()
    return processors


def _outlet(words: list[bytes], source: str) -> Outlet:
    kind = words[0].decode("ascii", "replace") if words else ""
    facility = path = b""
    for word in words[1:]:
        if word.startswith(b"/") and not path:
            path = word
        elif kind == SYSLOG and word.isdigit() and not facility:
            facility = word
        else:
            raise OutletError(f"{source}: write `files`, `syslog [FACILITY] [/SOCKET]` or "
                              "`journal [/SOCKET]`")  # fmt: skip
    if len(facility) > 3 or int(facility or b"0") > FACILITY_MAX:
        raise OutletError(f"{source}: the facility is a number from 0 to {FACILITY_MAX}")
    if kind == SYSLOG:
        return Outlet(kind, path or SYSLOG_SOCKET, int(facility or FACILITY_MAIL))
    if kind == JOURNAL:
        return Outlet(kind, path or JOURNAL_SOCKET)
    if kind == FILES and not path:
        return Outlet(kind)
    raise OutletError(f"{source}: write `files`, `syslog` or `journal`")
