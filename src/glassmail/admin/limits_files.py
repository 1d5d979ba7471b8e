"""A domain's limits on the disk: its own `.qmailadmin-limits`, else the site's default."""

import os

from glassmail.admin.account_error import AccountError
from glassmail.admin.changes import Changes
from glassmail.admin.site import Site
from glassmail.core.formats import domain_limits
from glassmail.core.formats.domain_limits import Limits, LimitsError
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


def write(changes: Changes, domain: Domain, before: Limits, after: Limits) -> None:
    """Give a domain limits of its own.

    Args:
        changes: told what changed and how to undo it.
        domain: the domain.
        before: the limits that counted.
        after: those that shall count.

    Raises:
        EditError: the file cannot be written.
    """
    path = _path(domain)
    with as_user(*domain.owner), locked(domain):
        edit.replace(path, domain_limits.render(after), FILE_MODE, domain.owner)
    words = []
    for name in domain_limits.NAMES:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            changes.tell(f"{path}: {name} {int(old)} -> {int(new)}")
            words += ["--limit", f"{name}={int(old)}"]
    if words:
        changes.undo_by("glass", "domain", "set", domain.name, *words)
    else:
        changes.tell(f"{path}: written")


def write_default(site: Site, changes: Changes, limits: Limits) -> None:
    """Change the limits of all domains without their own; raises EditError."""
    path = site.etc(DEFAULT_NAME)
    edit.make_directory(os.path.dirname(path), 0o755, site.owner)
    with edit.locked(path):
        edit.replace(path, domain_limits.render(limits))
    changes.tell(f"{path}: written")


def remove(changes: Changes, domain: Domain) -> bool:
    """Let the site's default count again; False when it did already. Raises EditError."""
    path = _path(domain)
    with as_user(*domain.owner), locked(domain):
        try:
            os.unlink(path)
            edit.sync_directory(domain.directory)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise edit.because(path, error) from error
    changes.tell(f"{path}: removed")
    return True


def _path(domain: Domain) -> str:
    return os.path.join(domain.directory, domain_limits.FILE_NAME)


def _read(path: str) -> bytes | None:
    try:
        return read_file(path)
    except ControlError as error:
        raise AccountError(str(error), Fault.CANNOT_READ_LIMITS) from error


def _parse(data: bytes, name: str) -> Limits:
    try:
        return domain_limits.parse(data, name)
    except LimitsError as error:
        raise AccountError(str(error), Fault.CANNOT_READ_LIMITS) from error
