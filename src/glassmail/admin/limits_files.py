"""A domain's limits on the disk: its own `.qmailadmin-limits`, else the site's default."""

import os
from collections.abc import Callable

from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.core.formats import domain_limits
from glassmail.core.formats.domain_limits import Limits, LimitsError
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.vpopmail_faults import Fault
from glassmail.stations.rights import as_user
from glassmail.store import edit
from glassmail.store.account_writer import Domain
from glassmail.store.control import ControlError, read_file
from glassmail.store.vpasswd_writer import locked

DEFAULT_NAME = "vlimits.default"
FILE_MODE = 0o600


def read(site: Site, domain: Domain) -> Limits:
    """Return the limits that count for a domain; no file means no limits.

    Raises:
        AccountError: a file cannot be read.
    """
    own = _path(domain)
    with as_user(*domain.owner):
        data = _read(own)
    if data is not None:
        return _parse(data, own)
    return read_default(site)


def read_default(site: Site) -> Limits:
    """Return the limits of domains without their own; raises AccountError."""
    path = site.etc(DEFAULT_NAME)
    return _parse(_read(path) or b"", path)


def change(
    site: Site, changes: Changes, domain: Domain, alter: Callable[[Limits], Limits]
) -> None:
    """Give a domain limits of its own, made of those that counted.

    Args:
        site: the site.
        changes: told what changed and how to undo it.
        domain: the domain.
        alter: makes the new limits; called under the lock, so that of several commands at once
            none is lost.

    Raises:
        AccountError: a number that cannot be, or a file that cannot be read.
        EditError: the file cannot be written.
    """
    path = _path(domain)
    with as_user(*domain.owner), locked(domain):
        before, had_own = read(site, domain), os.path.lexists(path)
        after = alter(before)
        _check(after)
        if after == before and had_own:
            return
        edit.replace(path, domain_limits.render(after), FILE_MODE, domain.owner)
    words = []
    for name in domain_limits.NAMES:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changes.tell(f"{path}: {name} {int(old)} -> {int(new)}")
            words += ["--limit", f"{name}={int(old)}"]
    if not words:
        changes.tell(f"{path}: written")
    changes.undo_by(
        "glass", "domain", "set", domain.name, *(words if had_own else ["--default-limits"])
    )


def change_default(site: Site, changes: Changes, alter: Callable[[Limits], Limits]) -> None:
    """Change the limits of all domains without their own; raises AccountError, EditError."""
    path = site.etc(DEFAULT_NAME)
    edit.make_directory(os.path.dirname(path), 0o755, site.owner)
    with edit.locked(path):
        after = alter(read_default(site))
        _check(after)
        edit.replace(path, domain_limits.render(after))
    changes.tell(f"{path}: written")


def remove(site: Site, changes: Changes, domain: Domain) -> bool:
    """Let the site's default count again; False when it did already.

    Raises:
        AccountError, EditError: a file cannot be read, or this one not be removed.
    """
    path = _path(domain)
    before, default = read(site, domain), read_default(site)
    with as_user(*domain.owner), locked(domain):
        try:
            os.unlink(path)
            edit.sync_directory(domain.directory)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise edit.because(path, error) from error
    changes.tell(f"{path}: removed")
    names = [n for n in domain_limits.NAMES if getattr(before, n) != getattr(default, n)]
    words = [word for n in names for word in ("--limit", f"{n}={int(getattr(before, n))}")]
    if words:
        changes.undo_by("glass", "domain", "set", domain.name, *words)
    return True


def _check(limits: Limits) -> None:
    """Refuse numbers that no reader of the file would understand."""
    for name in domain_limits.NAMES:
        number = int(getattr(limits, name))
        if name.startswith("perm_"):
            is_fine = 0 <= number <= domain_limits.DENY_ALL
            rule = "0 to 7, the sum of what is denied: create 1, modify 2, delete 4"
        elif name.startswith("max") and name != "maxmsgcount":
            is_fine, rule = number >= -1, "-1 for any number, or a number from 0 on"
        else:
            is_fine, rule = number >= 0, "0 for any, or a number from 1 on"
        if not is_fine:
            raise AccountError(f"{name} {number}: it may be {rule}")


def _path(domain: Domain) -> str:
    return os.path.join(domain.directory, domain_limits.FILE_NAME)


def _read(path: str) -> bytes | None:
    try:
        return read_file(path)
    except ControlError as error:
        text = str(error)
        if isinstance(error.__cause__, PermissionError):  # it is not to be read by everybody
            text = f"{path}: {words_of(error.__cause__)}: ask as root or as the domain's owner"
        raise AccountError(text, Fault.CANNOT_READ_LIMITS) from error


def _parse(data: bytes, name: str) -> Limits:
    try:
        return domain_limits.parse(data, name)
    except LimitsError as error:
        raise AccountError(str(error), Fault.CANNOT_READ_LIMITS) from error
