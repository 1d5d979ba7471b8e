"""Add domains, mailboxes, aliases and catch-alls, in vpopmail's layout.

Purpose:
    What vadddomain, vadduser and valias change, as functions that the commands, `glass init` and
    the web pages share. Every file is replaced whole under vpopmail's own locks.

Always:
    - The mailbox is there before anything leads to it: directories and vpasswd first, then
      users/assign, virtualdomains, locals, and rcpthosts last.
    - Lines of others in a changed file keep their order; a new line goes where vpopmail's
      sorting would put it.
    - Nothing here tells a running server: a caller that changed a domain asks it to reload.

Refuses:
    AccountError for names vpopmail would not deliver to, and for what is there already.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from glassmail.admin import domain_files
from glassmail.core.formats import cdb, quota, vpasswd
from glassmail.core.formats.vpasswd import Account
from glassmail.core.route import mailbox
from glassmail.settings.place import Place
from glassmail.store import edit, passwords
from glassmail.store.control import take_snapshot

GECOS_BYTES_MAX = 64  # vpopmail.h MAX_PW_GECOS
DIRECTORY_MODE = 0o700
SECRET_MODE = 0o600


class AccountError(Exception):
    """A change cannot be made; the text says what and why."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where accounts live and whose they are.

    Attributes:
        place: where the files are.
        owner: (uid, gid) of the virtual domains, vpopmail's own user and group.
        shown_root: ROOT as files shall name it; differs while a new site is being made aside.
    """

    place: Place
    owner: tuple[int, int]
    shown_root: str = ""

    @classmethod
    def at(cls, place: Place) -> "Site":
        """Return the site at a place; its domains belong to the owner of ROOT/domains."""
        status = os.stat(place.domains)
        return cls(place, (status.st_uid, status.st_gid))

    def shown(self, path: str) -> bytes:
        """Return a path below ROOT as users/assign and vpasswd shall name it."""
        if self.shown_root:
            path = self.shown_root + path[len(self.place.root) :]
        return os.fsencode(path)


@dataclass(frozen=True, slots=True)
class NewMailbox:
    """A mailbox to be made; the password is hashed here."""

    name: bytes
    password: bytes
    quota: bytes = b""
    gecos: bytes = b""


def add_domain(site: Site, domain: bytes, argument: bytes = b"bounce-no-mailbox") -> None:
    """Make a virtual domain (vadddomain).

    Args:
        site: the site.
        domain: its name; lower case is made of it.
        argument: what happens to mail for nobody, the argument of vdelivermail.

    Raises:
        AccountError: for a bad name or a domain that exists.
        EditError: when a file cannot be changed.
    """
    domain = check_domain(domain)
    if domain_files.directory_of(site.place, domain) is not None:
        raise AccountError(f"{domain.decode()}: the domain exists already")
    directory = site.place.path("domains", domain.decode("ascii"))
    edit.make_directory(site.place.domains, DIRECTORY_MODE, site.owner)
    edit.make_directory(directory, DIRECTORY_MODE, site.owner)
    _write_catch_all(site, directory, argument)
    with edit.locked(os.path.join(directory, "vpasswd"), _lock_of(directory)):
        if not os.path.exists(os.path.join(directory, "vpasswd")):
            _write_vpasswd(site, directory, vpasswd.Vpasswd({}, {}))
    domain_files.announce(site.place, domain, site.owner, site.shown(directory))


def add_mailboxes(
    site: Site, domain: bytes, mailboxes: Sequence[NewMailbox], hash_kind: bytes = b""
) -> None:
    """Make mailboxes in a domain (vadduser), all of them in one change of vpasswd.

    Passwords are hashed as control/passwordhash says, unless `hash_kind` is given.

    Raises:
        AccountError: for a bad or taken name, password or quota; nothing is changed then.
        EditError: when a file cannot be changed.
    """
    directory = _directory(site, domain)
    if not hash_kind:
        hash_kind = take_snapshot(site.place.control, ("passwordhash",)).line("passwordhash")
    fresh = [_account(site, directory, new, hash_kind) for new in mailboxes]
    with edit.locked(os.path.join(directory, "vpasswd"), _lock_of(directory)):
        table = _read_vpasswd(directory)
        for account in fresh:
            if account.name in table.accounts or account.name in table.broken:
                raise AccountError(f"{account.name.decode()}: the mailbox exists already")
            table.accounts[account.name] = account
        for account in fresh:
            _make_mailbox(site, os.path.join(directory, account.name.decode("ascii")))
        _write_vpasswd(site, directory, table)


def add_mailbox(
    site: Site, domain: bytes, mailbox_: NewMailbox, hash_kind: bytes = b""
) -> None:
    """Make one mailbox; see add_mailboxes."""
    add_mailboxes(site, domain, [mailbox_], hash_kind)


def add_alias(site: Site, domain: bytes, name: bytes, targets: Iterable[bytes]) -> None:
    """Let NAME at a domain forward to these addresses, by its `.qmail-NAME` (valias -i).

    Lines are added to those the alias has already.

    Raises:
        AccountError: for a bad name or target.
        EditError: when the file cannot be changed.
    """
    directory = _directory(site, domain)
    path = os.path.join(directory, _alias_file(name))
    with edit.locked(path, _lock_of(directory)):
        _append_forwards(path, targets, SECRET_MODE, site.owner)


def add_host_alias(
    place: Place, name: bytes, targets: Iterable[bytes], owner: tuple[int, int]
) -> None:
    """Let NAME at the domains of control/locals forward, by ROOT/alias/.qmail-NAME.

    The file is readable by all, since the keeper looks at it with its own rights.
    """
    path = os.path.join(place.alias, _alias_file(name))
    with edit.locked(path, os.path.join(place.alias, ".lock")):
        _append_forwards(path, targets, edit.FILE_MODE, owner)


def set_catch_all(site: Site, domain: bytes, argument: bytes) -> None:
    """Say what happens to mail for nobody: delete, bounce-no-mailbox, /path or an address."""
    _write_catch_all(site, _directory(site, domain), argument)


def check_name(name: bytes) -> bytes:
    """Return a mailbox or alias name in lower case; raises AccountError for one that cannot be."""
    name = name.lower()
    shown = name.decode("utf-8", "backslashreplace")
    # `/` and `.` pass vdelivermail's own test, but would name another directory here.
    bad = b"/" in name or name.startswith(b".") or not mailbox.is_valid_name(name)
    if not name or len(name) > mailbox.NAME_BYTES_MAX or bad:
        raise AccountError(f"{shown}: not a name for a mailbox: write letters, digits, - _ . +")
    return name


def check_domain(domain: bytes) -> bytes:
    """Return a domain in lower case; raises AccountError for one that cannot be."""
    domain = domain.lower()
    shown = domain.decode("utf-8", "backslashreplace")
    labels = domain.split(b".")
    bad = not all(labels) or not mailbox.is_valid_domain(domain)
    if bad or len(labels) < 2 or len(domain) > mailbox.DOMAIN_BYTES_MAX:
        raise AccountError(f"{shown}: not a domain: write it as in example.com")
    return domain


def forward_line(target: bytes) -> bytes:
    """Write one forward of a dot-qmail file; raises AccountError for what is no address."""
    local, at, domain = target.rpartition(b"@")
    printable = not any(byte < 33 or byte == 127 for byte in target)
    if not at or not local or not domain or not printable:
        shown = target.decode("utf-8", "backslashreplace")
        raise AccountError(f"{shown}: not an address: write it as in tammy@example.com")
    # `&` only where the first byte would mean something else, since valias shows lines as they are.
    return (b"&" if target[:1] in b"&|./#+" else b"") + target + b"\n"


def _account(site: Site, directory: str, new: NewMailbox, hash_kind: bytes) -> Account:
    name = check_name(new.name)
    gecos = new.gecos or name
    if len(gecos) > GECOS_BYTES_MAX or b":" in gecos or any(byte < 32 for byte in gecos):
        raise AccountError(
            f"{name.decode()}: the comment has a colon, a control character or more than "
            f"{GECOS_BYTES_MAX} bytes"
        )
    try:
        limit = quota.render(quota.parse(new.quota))
        crypted = passwords.hash_password(new.password, hash_kind)
    except (quota.QuotaError, passwords.PasswordError) as error:
        raise AccountError(f"{name.decode()}: {error}") from error
    home = site.shown(os.path.join(directory, name.decode("ascii")))
    return Account(name, crypted, b"1", 0, gecos, home, limit)


def _make_mailbox(site: Site, directory: str) -> None:
    maildir = os.path.join(directory, "Maildir")
    for path in (directory, maildir, *(f"{maildir}/{part}" for part in ("cur", "new", "tmp"))):
        edit.make_directory(path, DIRECTORY_MODE, site.owner)


def _directory(site: Site, domain: bytes) -> str:
    directory = domain_files.directory_of(site.place, domain.lower())
    if directory is None:
        shown = domain.decode("utf-8", "backslashreplace")
        raise AccountError(f"{shown}: the domain does not exist; add it first")
    if site.shown_root and directory.startswith(site.shown_root + "/"):
        return site.place.root + directory[len(site.shown_root) :]
    return directory


def _alias_file(name: bytes) -> str:
    return ".qmail-" + check_name(name).decode("ascii").replace(".", ":")


def _append_forwards(
    path: str, targets: Iterable[bytes], mode: int, owner: tuple[int, int]
) -> None:
    lines = b"".join(forward_line(target) for target in targets)
    before = _read(path) or b""
    if before and not before.endswith(b"\n"):
        before += b"\n"
    edit.replace(path, before + lines, mode, owner)


def _lock_of(directory: str) -> str:
    return os.path.join(directory, ".vpasswd.lock")


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise edit.EditError(f"{path}: {error.strerror}: run this as its owner") from error


def _read_vpasswd(directory: str) -> vpasswd.Vpasswd:
    path = os.path.join(directory, "vpasswd")
    return vpasswd.parse(_read(path) or b"", path)


def _write_vpasswd(site: Site, directory: str, table: vpasswd.Vpasswd) -> None:
    """Write the text, then the cdb: readers prefer the cdb only while it is not the older one."""
    path = os.path.join(directory, "vpasswd")
    accounts = table.accounts.values()
    edit.replace(path, vpasswd.render(accounts, table.lost_lines), SECRET_MODE, site.owner)
    records = cdb.render(vpasswd.cdb_records(accounts))
    edit.replace(path + ".cdb", records, SECRET_MODE, site.owner)


def _write_catch_all(site: Site, directory: str, argument: bytes) -> None:
    kind = mailbox.catch_all(argument)
    if kind is mailbox.CatchAll.ADDRESS:
        forward_line(argument)  # refuses what is no address
    if any(byte < 33 or byte == 127 or byte in b"'\"" for byte in argument):
        shown = argument.decode("utf-8", "backslashreplace")
        raise AccountError(f"{shown}: a catch-all has no blanks, quotes or control characters")
    # Quoted, so that a shell that runs the real vdelivermail sees one word as well.
    plain = kind in (mailbox.CatchAll.DELETE, mailbox.CatchAll.BOUNCE)
    word = argument if plain else b"'" + argument + b"'"
    line = b"| " + mailbox.PROGRAM + b" '' " + word + b"\n"
    edit.replace(os.path.join(directory, ".qmail-default"), line, SECRET_MODE, site.owner)
