"""Aliases of a virtual domain: its `.qmail-NAME` files, and `.qmail-default` for nobody (valias).

Always:
    - A dot in a name is a colon in the file's name, as qmail-local looks for it.
    - A file that is a symbolic link belongs to a mailing list (ezmlm) and is not changed here.
    - Files are read and written with the rights of the domain's owner, under vpopmail's lock.
"""

import os
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from glassmail.admin import account_rules as rules
from glassmail.admin import limits_files, onchange
from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.core.model.limits import DOT_QMAIL_BYTES_MAX
from glassmail.core.model.trail import YES
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.core.route import mailbox
from glassmail.core.route.alias_kind import AliasKind, kind_of
from glassmail.stations.rights import as_user
from glassmail.store import edit
from glassmail.store.account_writer import Domain
from glassmail.store.control import take_snapshot
from glassmail.store.vpasswd_writer import locked

SECRET_MODE = 0o600
_PREFIX = ".qmail-"
_DEFAULT = ".qmail-default"


class Alias(NamedTuple):
    """One alias: its name, and the lines of its file as they stand there."""

    name: bytes
    lines: tuple[bytes, ...]


def place_of(site: Site, name: bytes) -> Domain:
    """Return where the aliases of a domain are: its directory, or for a local one ROOT/alias.

    Raises:
        AccountError: it is neither a virtual domain nor in control/locals.
    """
    entry = site.find(name)
    if entry is None and name in take_snapshot(site.place.control).table("locals").entries:
        status = os.stat(site.place.alias)
        return Domain(name, site.place.alias, (status.st_uid, status.st_gid))
    return site.domain(name)


def names(domain: Domain) -> list[bytes]:
    """List the names of aliases in vpopmail's order; a mailing list counts once."""
    found = []
    with as_user(*domain.owner):
        try:
            entries = list(os.scandir(domain.directory))
        except OSError as error:
            raise edit.because(domain.directory, error) from error
        for entry in entries:
            name = entry.name
            if not name.startswith(_PREFIX) or name == _DEFAULT:
                continue
            is_part = entry.is_symlink() and ("-default" in name or "-owner" in name)
            if not is_part and not _is_lock_or_temporary(name):
                found.append(os.fsencode(name[len(_PREFIX) :]).replace(b":", b"."))
    return sorted(found, key=bytes.lower)


def listed(domain: Domain) -> list[Alias]:
    """Return every alias with its lines; raises EditError when one cannot be read."""
    return [Alias(name, find(domain, name)) for name in names(domain)]


def find(domain: Domain, name: bytes) -> tuple[bytes, ...]:
    """Return the lines of an alias, none when there is no such alias; raises EditError."""
    with as_user(*domain.owner):
        return _lines(_read(_path(domain, name)) or b"")


def add_lines(
    site: Site, changes: Changes, domain: Domain, name: bytes, lines: Iterable[bytes]
) -> None:
    """Add lines to an alias, which is made if need be.

    Raises:
        AccountError: a name or line that cannot be, a line that is there already, or more
            of its kind than the domain's limits allow.
        EditError: the file cannot be changed.
    """
    name = _checked(site, domain, name)
    fresh = [rules.check_alias_line(line) for line in lines]
    path = _path(domain, name)
    address = name + b"@" + domain.name
    # The keeper looks at the host's own aliases with its own rights.
    mode = edit.FILE_MODE if domain.directory == site.place.alias else SECRET_MODE
    with as_user(*domain.owner), locked(domain):
        before = _read(path)
        _refuse_link(path)
        present = _lines(before or b"")
        refuse_more(site, domain, name, (*present, *fresh))
        for line in fresh:
            if line in present:
                shown = os.fsdecode(address), os.fsdecode(line)
                raise AccountError(f"alias {shown[0]} -> {shown[1]} already exists.")
        text = before or b""
        if text and not text.endswith(b"\n"):
            text += b"\n"
        text += b"".join(line + b"\n" for line in fresh)
        _refuse_large(path, text)
        edit.replace(path, text, mode if before is None else None, domain.owner)
    if not present and not site.shown_root and _hides_mailbox(site, domain, name):
        changes.note(
            f"there is a mailbox {os.fsdecode(address)}, too: its mail goes to the alias alone; "
            f"a line ./{os.fsdecode(name)}/Maildir/ puts it there as well"
        )
    for line in fresh:
        changes.tell(f"{path}: added {os.fsdecode(line)}")
        changes.undo_by("glass", "alias", "remove", address, line)
        if not site.shown_root:
            onchange.call(site, changes, "insert_alias", address, line)


def replace_lines(
    site: Site, changes: Changes, domain: Domain, name: bytes, lines: Iterable[bytes]
) -> None:
    """Let an alias have these lines alone.

    Raises:
        AccountError: there is no such alias, or a line that cannot be.
        EditError: the file cannot be changed.
    """
    _checked(site, domain, name)
    fresh = [rules.check_alias_line(line) for line in lines]
    path = _path(domain, name)
    address = name + b"@" + domain.name
    with as_user(*domain.owner), locked(domain):
        before = _read(path) or b""
        present = _lines(before)
        if not present:
            raise AccountError(f"{os.fsdecode(address)}: there is no such alias")
        _refuse_link(path)
        _refuse_large(path, before)
        refuse_more(site, domain, name, fresh)
        text = b"".join(line + b"\n" for line in fresh)
        _refuse_large(path, text)
        edit.replace(path, text)
    for line in present:
        if line not in fresh:
            changes.tell(f"{path}: removed {os.fsdecode(line)}")
            onchange.call(site, changes, "remove_alias", address, line)
    for line in fresh:
        if line not in present:
            changes.tell(f"{path}: added {os.fsdecode(line)}")
            onchange.call(site, changes, "insert_alias", address, line)
    if changes.told:
        changes.undo_by("glass", "alias", "set", address, *present)


def remove(
    site: Site, changes: Changes, domain: Domain, name: bytes, lines: Iterable[bytes] = ()
) -> None:
    """Remove lines of an alias; without lines, or with its last one, the whole file.

    Raises:
        AccountError: there is no such alias or line.
        EditError: the file cannot be changed.
    """
    _checked(site, domain, name)
    wanted = list(lines)
    path = _path(domain, name)
    address = name + b"@" + domain.name
    with as_user(*domain.owner):
        _present(path, address, wanted)  # before the hook hears of it
    if wanted:
        for line in wanted:
            onchange.call(site, changes, "remove_alias", address, line)
    else:
        onchange.call(site, changes, "del_alias", address)
    link = ""
    with as_user(*domain.owner), locked(domain):
        present = _present(path, address, wanted)
        kept = [line for line in present if line not in wanted] if wanted else []
        gone = [line for line in present if line not in kept]
        if kept:
            _refuse_link(path)
            _refuse_large(path, _read(path) or b"")
            edit.replace(path, b"".join(x + b"\n" for x in kept))
        else:
            link = os.readlink(path) if os.path.islink(path) else ""
            _unlink(path)
    if kept:
        changes.tell(*(f"{path}: removed {os.fsdecode(line)}" for line in gone))
    else:
        changes.tell(f"{path}: removed")
    if link:
        changes.undo.append(shlex.join(["ln", "-s", link, path]))
    elif gone:
        changes.undo_by("glass", "alias", "add", address, *gone)


def catch_all(domain: Domain) -> bytes:
    """Return the line of `.qmail-default`, empty when there is none; raises EditError."""
    with as_user(*domain.owner):
        lines = _lines(_read(os.path.join(domain.directory, _DEFAULT)) or b"")
    return next((line for line in lines if line and not line.startswith(b"#")), b"")


def set_catch_all(changes: Changes, domain: Domain, line: bytes) -> None:
    """Replace `.qmail-default` by a line; raises EditError."""
    path = os.path.join(domain.directory, _DEFAULT)
    with as_user(*domain.owner), locked(domain):
        before = _read(path) or b""
        if before == line:
            return
        edit.replace(path, line, SECRET_MODE, domain.owner)
    changes.tell(f"{path}: {os.fsdecode(line.strip())}")
    former = before.strip()
    if former:
        call = mailbox.call_arguments(former.removeprefix(b"|")) if former[:1] == b"|" else None
        program = line[1:].split(maxsplit=1)[0]
        argument = call[1] if call is not None and len(call) == 2 else b""
        is_ours = argument and before == rules.catch_all_line(argument, program)
        back = ("--catch-all", argument) if is_ours else ("--default-line", former)
        if b"\n" in former:
            escaped = os.fsdecode(former).replace("\\", r"\\").replace("%", "%%")
            words = shlex.quote(escaped.replace("\n", r"\n") + r"\n"), shlex.quote(path)
            changes.undo.append("printf {} > {}".format(*words))
        else:
            changes.undo_by("glass", "domain", "set", domain.name, *back)


def kind_at(domain: Domain, name: bytes) -> AliasKind | None:
    """Tell what an alias is, None when there is none; raises EditError."""
    with as_user(*domain.owner):
        path = _path(domain, name)
        if os.path.islink(path):
            return AliasKind.MAILING_LIST  # ezmlm's files are links to its directory
        data = _read(path)
    return None if data is None else kind_of(_lines(data), domain.name)


def refuse_more(site: Site, domain: Domain, name: bytes, lines: Iterable[bytes]) -> None:
    """Refuse lines that would make one alias, forward, answer or list more than may be.

    Called under the domain's lock, so that several commands at once do not pass it together.

    Raises:
        AccountError: the domain's limits allow no more of them.
        EditError: an alias cannot be read.
    """
    kind = kind_of(lines, domain.name)
    most = kind.most(limits_files.read(site, domain))
    if most < 0 or kind_at(domain, name) is kind:
        return
    count = sum(kind_at(domain, other) is kind for other in names(domain))
    if count >= most:
        raise AccountError(
            f"{os.fsdecode(domain.name)}: {count} {kind.value} are there and {most} are allowed "
            f"({kind.rule} in its limits: glass domain show)"
        )


def _hides_mailbox(site: Site, domain: Domain, name: bytes) -> bool:
    if site.find(domain.name) is None:
        return False  # a local domain's
    with as_user(*domain.owner):
        return site.writer.find(domain, name).answer == YES


def _checked(site: Site, domain: Domain, name: bytes) -> bytes:
    # The alias user's `.qmail-default` is an alias like others, for all domains of locals.
    is_local = domain.directory == site.place.alias
    return rules.check_name(name) if is_local else rules.check_alias_name(name)


def _path(domain: Domain, name: bytes) -> str:
    return os.path.join(domain.directory, _PREFIX + os.fsdecode(name.replace(b".", b":")))


def _lines(data: bytes) -> tuple[bytes, ...]:
    return tuple(line for line in data.split(b"\n") if line)


def _read(path: str) -> bytes | None:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        number = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise edit.because(path, error) from error
    try:
        return os.read(number, DOT_QMAIL_BYTES_MAX + 1)
    except OSError as error:
        raise edit.because(path, error) from error
    finally:
        os.close(number)


def _refuse_large(path: str, data: bytes) -> None:
    """Refuse what is cut by `_read`, or would be: writing it would lose lines."""
    if len(data) > DOT_QMAIL_BYTES_MAX:
        raise edit.EditError(
            f"{path}: more than {DOT_QMAIL_BYTES_MAX} bytes, with which no mail is delivered: "
            "make a mailing list of it"
        )


def _refuse_link(path: str) -> None:
    if os.path.islink(path):
        raise AccountError(
            f"{path} is a symbolic link, as those of mailing lists are: it is not changed here",
            Fault.COULD_NOT_UPDATE_FILE,
        )


def _present(path: str, address: bytes, wanted: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return an alias's lines; raises AccountError without it, or without one of these."""
    data = _read(path)
    if data is None and not os.path.islink(path):
        raise AccountError(f"{os.fsdecode(address)}: there is no such alias")
    present = _lines(data or b"")
    for line in wanted:
        if line not in present:
            text = f"{os.fsdecode(address)}: it does not go to {os.fsdecode(line)}"
            raise AccountError(text)
    return present


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
        edit.sync_directory(os.path.dirname(path))
    except OSError as error:
        raise edit.because(path, error) from error


def _is_lock_or_temporary(name: str) -> bool:
    stem, _dot, number = name.rpartition(".")
    return name.endswith(".lock") or (stem.endswith(".tmp") and number.isdigit())

