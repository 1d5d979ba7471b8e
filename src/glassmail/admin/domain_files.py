"""The lines that lead mail to a virtual domain: users/assign, virtualdomains, locals, rcpthosts.

Effects (vadddomain): users/assign gets `+DOM-:DOM:uid:gid:dir:-::` and users/cdb is made anew,
control/virtualdomains `DOM:DOM`, locals loses the domain, rcpthosts gets it; once rcpthosts has 50
lines, morercpthosts and its cdb get it instead.
"""

import os
from collections.abc import Callable

from glassmail.core.formats import assign, cdb, control
from glassmail.settings.place import Place
from glassmail.store import edit
from glassmail.store.control import read_file

RCPTHOSTS_LINES_MAX = 50  # vpopmail.c add_domain_assign: then morercpthosts


def directory_of(place: Place, domain: bytes) -> str | None:
    """Return the directory of a virtual domain by its line of users/assign, None without one."""
    prefix = b"+" + domain + b"-:"
    for line in (read_file(place.assign) or b"").split(b"\n"):
        if line == b".":
            break
        if line.lower().startswith(prefix):
            fields = line.split(b":")
            return os.fsdecode(fields[4]) if len(fields) > 6 else None
    return None


def announce(place: Place, domain: bytes, owner: tuple[int, int], directory: bytes) -> None:
    """Write every line that leads mail for a domain to its directory; rcpthosts comes last."""
    ids = b"%d:%d" % owner
    line = b"+%s-:%s:%s:%s:-::" % (domain, domain, ids, directory)
    add_assignments(place, [line])
    edit.edit(
        _control(place, "virtualdomains"), lambda data: _insert(data, domain + b":" + domain, _name)
    )
    _leave_locals(place, domain)
    _join_rcpthosts(place, domain)


def add_assignments(place: Place, lines: list[bytes]) -> None:
    """Add lines to users/assign where vpopmail would put them, and make users/cdb anew.

    Raises:
        EditError: when a file cannot be changed.
        AssignError: when users/assign is broken; nothing is changed then.
    """

    def change(data: bytes) -> bytes:
        body = data.split(b"\n")
        if b"." in body:
            body = body[: body.index(b".")]
        text = b"".join(line + b"\n" for line in body if line)
        for line in lines:
            text = _insert(text, line, _assigned)
        text += b".\n"
        return text

    with edit.locked(place.assign):
        before = read_file(place.assign) or b""
        after = change(before)
        records = cdb.render(assign.records(assign.parse(after)))  # refuses what newu would refuse
        # The cdb is what the server reads; the text first, so that a new run of newu repairs it.
        edit.replace(place.assign, after)
        edit.replace(place.assign_cdb, records)


def _leave_locals(place: Place, domain: bytes) -> None:
    path = _control(place, "locals")
    with edit.locked(path):
        data = read_file(path)
        if data is None:  # then `me` is the only local domain
            me = read_file(_control(place, "me"))
            if me is not None and control.parse_line(me).lower() == domain:
                edit.replace(path, b"")
            return
        lines = data.split(b"\n")
        kept = [line for line in lines if line.rstrip(control.BLANKS).lower() != domain]
        if len(kept) != len(lines):
            edit.replace(path, b"\n".join(kept))


def _join_rcpthosts(place: Place, domain: bytes) -> None:
    path = _control(place, "rcpthosts")
    more = _control(place, "morercpthosts")
    count = len(control.lines_of(read_file(path) or b""))
    if count < RCPTHOSTS_LINES_MAX:
        edit.edit(path, lambda data: _insert(data, domain, _name))
        return
    edit.edit(more, lambda data: _insert(data, domain, _name))
    lines = control.lines_of(read_file(more) or b"")
    edit.replace(more + ".cdb", cdb.render([(line.lower(), b"") for _number, line in lines]))


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
