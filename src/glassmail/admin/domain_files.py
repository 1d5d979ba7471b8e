"""The lines that lead mail to a virtual domain: users/assign, virtualdomains, locals, rcpthosts.

Effects (vadddomain): users/assign gets `+DOM-:DOM:uid:gid:dir:-::` and users/cdb is made anew,
control/virtualdomains `DOM:DOM`, locals loses the domain, rcpthosts gets it; once rcpthosts has 50
lines, morercpthosts and its cdb get it instead. An alias domain has the real domain's name in the
second field of its line, and is itself in the other files.

Always:
    - Lines come in the order that loses no mail: rcpthosts last when they are added, first when
      they are taken away. Each file is old or new; doing the same again changes nothing more.
    - What was changed is told in words, for the administrator.
"""

import os
from collections.abc import Callable, Collection
from typing import NamedTuple

from glassmail.core.formats import assign, cdb, control
from glassmail.settings.place import Place
from glassmail.stations.rights import ID_MAX
from glassmail.store import edit
from glassmail.store.control import read_file

RCPTHOSTS_LINES_MAX = 50  # vpopmail.c add_domain_assign: then morercpthosts

_ID_DIGITS_MAX = 10

Told = list[str]


class Entry(NamedTuple):
    """One domain of users/assign.

    Attributes:
        domain: its name, in lower case.
        real: the domain whose mailboxes it has; its own name unless it is an alias domain.
        ids: uid and gid of its deliveries.
        directory: where its mailboxes are.
        line: number of its line.
    """

    domain: bytes
    real: bytes
    ids: tuple[int, int]
    directory: str
    line: int

    @property
    def is_alias(self) -> bool:
        """Tell whether its mailboxes are another domain's."""
        return self.domain != self.real


_Stamp = tuple[int, int, int, int]
_parsed: dict[str, tuple[_Stamp, dict[bytes, Entry]]] = {}  # of this process, by path


def entries(place: Place) -> list[Entry]:
    """List the virtual domains in the order of users/assign (vpopmail.c get_domain_entries).

    Lines that are no domain's are passed over: without `+`, a dot in the name, or its last `-`,
    or with a uid or gid that nobody can have.
    Of two lines for one name the first counts, as in users/cdb.

    Raises:
        ControlError: users/assign cannot be read.
    """
    return list(_table(place).values())


def find(place: Place, domain: bytes) -> Entry | None:
    """Return a domain's entry by its lower-case name; raises ControlError."""
    return _table(place).get(domain)


def _table(place: Place) -> dict[bytes, Entry]:
    try:
        status = os.stat(place.assign)
    except OSError:
        return _parse(read_file(place.assign) or b"")  # it says what is wrong
    stamp = status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
    known = _parsed.get(place.assign)
    if known is not None and known[0] == stamp:
        return known[1]
    table = _parse(read_file(place.assign) or b"")
    _parsed.clear()
    _parsed[place.assign] = stamp, table
    return table


def _parse(data: bytes) -> dict[bytes, Entry]:
    found: dict[bytes, Entry] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.startswith(b"."):
            break
        fields = line.split(b":")
        name = fields[0][1:].lower()
        if not line.startswith(b"+") or len(fields) < 7 or b"." not in name:
            continue
        if name.endswith(b"-") and _is_id(fields[2]) and _is_id(fields[3]):
            ids = int(fields[2]), int(fields[3])
            entry = Entry(name[:-1], fields[1].lower(), ids, os.fsdecode(fields[4]), number)
            found.setdefault(entry.domain, entry)
    return found


def _is_id(text: bytes) -> bool:
    return text.isdigit() and len(text) <= _ID_DIGITS_MAX and int(text) <= ID_MAX


def directory_of(place: Place, domain: bytes) -> str | None:
    """Return the directory of a virtual domain by its line of users/assign, None without one."""
    entry = find(place, domain)
    return None if entry is None else entry.directory


def check_assign(place: Place) -> None:
    """Raise AssignError unless users/assign can be changed: qmail-newu would refuse it."""
    data = read_file(place.assign)
    if data is not None:
        assign.parse(data)


def announce(place: Place, entry: Entry) -> Told:
    """Write every line that leads mail for a domain to its directory; rcpthosts comes last."""
    ids = b"%d:%d" % entry.ids
    domain, directory = entry.domain, os.fsencode(entry.directory)
    line = b"+%s-:%s:%s:%s:-::" % (domain, entry.real, ids, directory)
    told = add_assignments(place, [line])
    virtual = domain + b":" + domain
    if _edit(place, "virtualdomains", lambda data: _insert(data, virtual, _name)):
        told.append(f"control/virtualdomains: added {virtual.decode()}")
    told += _leave_locals(place, domain)
    return told + _join_rcpthosts(place, domain)


def withdraw(place: Place, domains: Collection[bytes]) -> Told:
    """Take away every line that leads mail to these domains; rcpthosts comes first."""
    names = {domain.lower() for domain in domains}
    told = _leave_rcpthosts(place, names)
    gone: list[bytes] = []

    def cut(data: bytes) -> bytes:
        gone.clear()
        kept: list[bytes] = []
        for line in data.split(b"\n"):
            key, colon, value = line.rstrip(control.BLANKS).lower().partition(b":")
            # Only the line that was added for the domain; `user@domain:x` is the administrator's.
            is_ours = bool(colon) and key in names and value == key
            (gone if is_ours else kept).append(line)
        return b"\n".join(kept)

    if _edit(place, "virtualdomains", cut):
        told += [f"control/virtualdomains: removed {line.decode()}" for line in gone]
    return told + _remove_assignments(place, {b"+" + name + b"-" for name in names})


def add_assignments(place: Place, lines: list[bytes]) -> Told:
    """Add lines to users/assign where vpopmail would put them, and make users/cdb anew.

    Raises:
        EditError: when a file cannot be changed.
        AssignError: when users/assign is broken; nothing is changed then.
    """

    def change(body: list[bytes]) -> list[bytes]:
        text = b"".join(line + b"\n" for line in body)
        for line in lines:
            text = _insert(text, line, _assigned)
        return text.split(b"\n")

    return _change_assign(place, change)


def _remove_assignments(place: Place, keys: set[bytes]) -> Told:
    def change(body: list[bytes]) -> list[bytes]:
        return [line for line in body if line.partition(b":")[0].lower() not in keys]

    return _change_assign(place, change)


def _change_assign(place: Place, change: Callable[[list[bytes]], list[bytes]]) -> Told:
    with edit.locked(place.assign):
        before = read_file(place.assign) or b""
        body = before.split(b"\n")
        if b"." in body:
            body = body[: body.index(b".")]
        body = [line for line in body if line]
        lines = [line for line in change(body) if line]
        after = b"".join(line + b"\n" for line in lines) + b".\n"
        records = cdb.render(assign.records(assign.parse(after)))  # refuses what newu would refuse
        # The cdb is what the server reads; the text first, so that a new run of newu repairs it.
        if after != before:
            edit.replace(place.assign, after)
        if read_file(place.assign_cdb) != records or after != before:
            edit.replace(place.assign_cdb, records)
    old, new = set(body), set(lines)
    told = [f"users/assign: removed {_shown(line)}" for line in body if line not in new]
    return told + [f"users/assign: added {_shown(line)}" for line in lines if line not in old]


def _leave_locals(place: Place, domain: bytes) -> Told:
    path = _control(place, "locals")
    told = [f"control/locals: removed {domain.decode()}"]
    with edit.locked(path):
        data = read_file(path)
        if data is None:  # then `me` is the only local domain
            me = read_file(_control(place, "me"))
            if me is None or control.parse_line(me).lower() != domain:
                return []
            edit.replace(path, b"")
            return told
        kept = _without(data, {domain})
        if kept == data:
            return []
        edit.replace(path, kept)
        return told


def _join_rcpthosts(place: Place, domain: bytes) -> Told:
    data = read_file(_control(place, "rcpthosts")) or b""
    if _lists(data, domain):
        return []
    is_full = len(control.lines_of(data)) >= RCPTHOSTS_LINES_MAX
    name = "morercpthosts" if is_full else "rcpthosts"
    is_changed = _edit(place, name, lambda old: _insert(old, domain, _name))
    if is_full:
        make_morercpthosts_cdb(place)
    return [f"control/{name}: added {domain.decode()}"] if is_changed else []


def _leave_rcpthosts(place: Place, names: set[bytes]) -> Told:
    told = []
    for name in ("rcpthosts", "morercpthosts"):
        data = read_file(_control(place, name))
        if data is None:
            continue
        gone = [domain for domain in sorted(names) if _lists(data, domain)]
        if gone:
            _edit(place, name, lambda old: _without(old, names))
            told += [f"control/{name}: removed {domain.decode()}" for domain in gone]
        if name == "morercpthosts":  # after a kill the text may be newer than its cdb
            make_morercpthosts_cdb(place)
    return told


def make_morercpthosts_cdb(place: Place) -> None:
    """Make control/morercpthosts.cdb as qmail-newmrh does; nothing where it is up to date."""
    path = _control(place, "morercpthosts")
    with edit.locked(path):
        lines = control.lines_of(read_file(path) or b"")
        records = cdb.render((line.lower(), b"") for _number, line in lines)
        if read_file(path + ".cdb") != records:
            edit.replace(path + ".cdb", records)


def _edit(place: Place, name: str, change: Callable[[bytes], bytes]) -> bool:
    return edit.edit(_control(place, name), change)


def _lists(data: bytes, domain: bytes) -> bool:
    return any(line.rstrip(control.BLANKS).lower() == domain for line in data.split(b"\n"))


def _without(data: bytes, names: set[bytes]) -> bytes:
    lines = data.split(b"\n")
    return b"\n".join(x for x in lines if x.rstrip(control.BLANKS).lower() not in names)


def _insert(data: bytes, line: bytes, key: Callable[[bytes], bytes]) -> bytes:
    """Put a line before the first that sorts behind it; others stay. Nothing when it is there."""
    lines = data.split(b"\n")
    if lines and not lines[-1]:
        lines.pop()
    if any(other.rstrip(control.BLANKS).lower() == line.lower() for other in lines):
        return data
    wanted = key(line)
    at = next((i for i, other in enumerate(lines) if key(other) > wanted), len(lines))
    lines.insert(at, line)
    return b"\n".join(lines) + b"\n"


def _name(line: bytes) -> bytes:
    # vpopmail sorts `.sub.test` as `sub.test`; comments and blank lines stay where they are.
    return b"" if line.startswith(b"#") else line.lstrip(b".").partition(b":")[0].lower()


def _assigned(line: bytes) -> bytes:
    # Simple lines first, then wildcards by the real domain's name, aliases behind it.
    fields = line.split(b":")
    return b"" if not line.startswith(b"+") or len(fields) < 2 else fields[1].lower()


def _control(place: Place, name: str) -> str:
    return os.path.join(place.control, name)


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace")
