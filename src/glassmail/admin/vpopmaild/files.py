"""vpopmaild's commands about files below a domain's directory.

A path is `user@domain/...`, `domain/...` or a full one. A user may go below his own directory, an
administrator below that of a domain of his.

Always:
    - `..`, `%` and control bytes are refused, and so is every symbolic link on the way: each
      part is opened from the directory before it.
    - Everything happens with the rights of the domain's owner.
    - Accounts are not changed this way: vpasswd and what belongs to it are refused, and so are
      the limits, the notes of unfinished changes, and what was removed (which says who has which
      rights when it comes back). Nor does anybody but a system administrator name programs in
      dot-qmail files.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from glassmail.admin import aliases, aside, mailbox_files, mailboxes
from glassmail.admin.account_error import AccountError
from glassmail.admin.site import Site
from glassmail.admin.vpopmaild import words
from glassmail.admin.vpopmaild.alias_commands import is_denied
from glassmail.admin.vpopmaild.rights import Who, is_harmless
from glassmail.admin.vpopmaild.words import Kind
from glassmail.core.formats import domain_limits
from glassmail.stations.rights import as_user
from glassmail.store.account_writer import Domain
from glassmail.store.sql.marker import NAME as MARKER

FILE_BYTES_MAX = 1_048_576
ENTRIES_MAX = 10_000
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_INSTRUCTIONS = b".qmail"
_ALIAS = b".qmail-"
_CLOSED = (
    b"vpasswd", b".vpasswd", b".dir-control", os.fsencode(MARKER), os.fsencode(aside.NAME),
    os.fsencode(mailbox_files.JOURNAL_NAME), os.fsencode(domain_limits.FILE_NAME),
)  # fmt: skip


class _Place(NamedTuple):
    """Where a path leads: the domain, the directory that it may not leave, and the rest."""

    domain: Domain
    top: bytes
    parts: tuple[bytes, ...]


class FileCommands:
    """The commands, for one who has logged in."""

    def __init__(self, site: Site, who: Who) -> None:
        self._site = site
        self._who = who

    def list_dir(self, rest: bytes) -> bytes:
        """List a directory, whose path must end in `/`: `NAME file` or `NAME dir`."""
        if not rest.strip().endswith(b"/"):
            return words.fault(Kind.INVALID_DIRECTORY, 1503)

        def work(parent: int, name: bytes) -> bytes:
            descriptor = os.open(name or b".", _DIRECTORY, dir_fd=parent)
            try:
                names = sorted(os.fsencode(each) for each in os.listdir(descriptor))
                lines = []
                for each in names[:ENTRIES_MAX]:
                    mode = os.stat(each, dir_fd=descriptor, follow_symlinks=False).st_mode
                    lines.append(each + (b" dir" if stat.S_ISDIR(mode) else b" file"))
            finally:
                os.close(descriptor)
            return words.listing(*lines)

        return self._at(rest, Kind.INVALID_DIRECTORY, 1500, work)

    def read_file(self, rest: bytes) -> bytes:
        """Tell a file's lines."""

        def work(parent: int, name: bytes) -> bytes:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=parent)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_BYTES_MAX:
                    return words.fault(Kind.INVALID_FILE, 2004)
                data = os.read(descriptor, FILE_BYTES_MAX)
            finally:
                os.close(descriptor)
            lines = data.removesuffix(b"\n").split(b"\n") if data else []
            # A line that is a dot alone would end the answer.
            return words.listing(*(b".." + line[1:] if line == b"." else line for line in lines))

        return self._at(rest, Kind.INVALID_FILE, 2000, work)

    def stat_file(self, rest: bytes) -> bytes:
        """Tell owner, mode, size and times."""

        def work(parent: int, name: bytes) -> bytes:
            status = os.stat(name or b".", dir_fd=parent, follow_symlinks=False)
            return words.listing(
                b"uid %d" % status.st_uid,
                b"gid %d" % status.st_gid,
                b"mode %o" % status.st_mode,
                b"size %d" % status.st_size,
                b"atime %d" % status.st_atime,
                b"mtime %d" % status.st_mtime,
                b"ctime %d" % status.st_ctime,
            )

        return self._at(rest, Kind.INVALID_FILE, 2100, work)

    def may_write(self, rest: bytes) -> bytes:
        """Check before the lines of write_file are read; empty when they may come."""
        return self._at(rest, Kind.INVALID_FILE, 1900, lambda _parent, _name: b"")

    def write_file(self, rest: bytes, lines: Sequence[bytes]) -> bytes:
        """Write a file anew, whole or not at all."""
        data = b"".join(line + b"\n" for line in lines)
        may_all = self._who.is_system or all(map(is_harmless, lines))

        def work(parent: int, name: bytes) -> bytes:
            if name.startswith(_INSTRUCTIONS) and not may_all:
                return words.fault(Kind.NOT_AUTHORIZED, 1906)
            if self._is_alias_denied(rest, lines):
                return words.fault(Kind.NOT_AUTHORIZED, 1907)
            fresh = b".%b.%d.new" % (name[:200], os.getpid())
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(fresh, flags, 0o600, dir_fd=parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(fresh, name, src_dir_fd=parent, dst_dir_fd=parent)
            except OSError:
                os.unlink(fresh, dir_fd=parent)
                raise
            os.fsync(parent)
            return words.OK

        return self._at(rest, Kind.INVALID_FILE, 1900, work)

    def rm_file(self, rest: bytes) -> bytes:
        """Remove a file, or a link itself."""
        if self._is_alias_denied(rest, ()):
            return words.fault(Kind.NOT_AUTHORIZED, 1706)
        return self._at(rest, Kind.INVALID_FILE, 1700, _removal)

    def mk_dir(self, rest: bytes) -> bytes:
        """Make a directory."""

        def work(parent: int, name: bytes) -> bytes:
            os.mkdir(name, 0o700, dir_fd=parent)
            os.fsync(parent)
            return words.OK

        return self._at(rest.strip().rstrip(b"/"), Kind.INVALID_DIRECTORY, 1300, work)

    def rm_dir(self, rest: bytes) -> bytes:
        """Remove a directory that is empty."""

        def work(parent: int, name: bytes) -> bytes:
            os.rmdir(name, dir_fd=parent)
            os.fsync(parent)
            return words.OK

        return self._at(rest.strip().rstrip(b"/"), Kind.INVALID_DIRECTORY, 1400, work)

    def rename_file(self, rest: bytes) -> bytes:
        """Give a file another name: OLD NEW, both within what one may change."""
        old, _, new = rest.strip().partition(b" ")
        # A file that was harmless as a letter need not be as instructions.
        renamed = (os.path.basename(old), os.path.basename(new))
        if not self._who.is_system and any(name.startswith(_INSTRUCTIONS) for name in renamed):
            return words.fault(Kind.NOT_AUTHORIZED, 1806)

        def work(parent: int, name: bytes) -> bytes:
            def inner(target: int, other: bytes) -> bytes:
                os.stat(name, dir_fd=parent, follow_symlinks=False)
                os.rename(name, other, src_dir_fd=parent, dst_dir_fd=target)
                os.fsync(target)
                return words.OK

            return self._at(new, Kind.INVALID_FILE, 1820, inner)

        return self._at(old, Kind.INVALID_FILE, 1800, work)

    def _is_alias_denied(self, rest: bytes, lines: Sequence[bytes]) -> bool:
        """Tell whether a file is an alias that the domain's limits do not allow.

        Raises:
            AccountError: there would be more of its kind than may be.
        """
        where = self._place(rest.strip())
        is_top = where is not None and where.top == os.fsencode(where.domain.directory)
        if where is None or not is_top or self._who.is_system or len(where.parts) != 1:
            return False
        name = where.parts[0].removeprefix(_ALIAS)
        if name == where.parts[0] or name == b"default":
            return False
        name = name.replace(b":", b".")
        before = aliases.find(where.domain, name)
        after = tuple(line for line in lines if line)
        if after:
            aliases.refuse_more(self._site, where.domain, name, after)
        return is_denied(self._site, self._who, where.domain, before, after)

    def _at(
        self, rest: bytes, kind: Kind, place: int, work: Callable[[int, bytes], bytes]
    ) -> bytes:
        """Let work be done on the last part of a path, from its directory."""
        where = self._place(rest.strip())
        if where is None:
            return words.fault(kind, place + 2)
        name = where.parts[-1] if where.parts else b""
        if any(part.startswith(_CLOSED) for part in (*where.parts[:1], name)):
            return words.fault(Kind.NOT_AUTHORIZED, place + 5)
        try:
            with as_user(*where.domain.owner), _opened(where.top, where.parts[:-1]) as parent:
                return work(parent, name)
        except (OSError, ValueError):
            return words.fault(kind, place + 3)

    def _place(self, path: bytes) -> _Place | None:
        """Find out where a path leads and whether one may go there; None when not."""
        if not path or b"%" in path or any(byte < 32 or byte == 127 for byte in path):
            return None
        if path.startswith(b"/"):
            return self._full(path)
        first, _, rest = path.partition(b"/")
        name, at, domain_name = first.lower().rpartition(b"@")
        if self._site.find(domain_name) is None:
            return None
        domain = self._site.domain(domain_name)
        parts = tuple(part for part in rest.split(b"/") if part)
        if b".." in parts or b"." in parts:
            return None
        if not at:
            top = os.fsencode(domain.directory)
            return _Place(domain, top, parts) if self._who.may_domain(domain.name) else None
        if not self._who.may_user(name, domain.name):
            return None
        try:
            account = mailboxes.find(self._site, domain, name)
        except AccountError:
            return None
        top = os.fsencode(mailbox_files.directory_of(self._site, domain, account))
        return _Place(domain, top, parts)

    def _full(self, path: bytes) -> _Place | None:
        parts = tuple(part for part in path.split(b"/") if part)
        if b".." in parts or b"." in parts:
            return None
        for entry in self._site.entries():
            top = os.fsencode(self._site.actual(entry.directory)).rstrip(b"/")
            above = tuple(part for part in top.split(b"/") if part)
            if entry.is_alias or parts[: len(above)] != above:
                continue
            rest = parts[len(above) :]
            is_own = entry.real == self._who.domain.name and rest[:1] == (self._who.account.name,)
            if self._who.may_domain(entry.real) or is_own:
                keep = 0 if self._who.may_domain(entry.real) else 1
                base = b"/".join((top, *rest[:keep]))
                return _Place(self._site.domain(entry.real), base, rest[keep:])
        return None


@contextmanager
def _opened(top: bytes, parts: Sequence[bytes]) -> Iterator[int]:
    """Open a directory part by part, following no link below `top`."""
    descriptor = os.open(top, _DIRECTORY)
    try:
        for part in parts:
            below = os.open(part, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _removal(parent: int, name: bytes) -> bytes:
    os.unlink(name, dir_fd=parent)
    os.fsync(parent)
    return words.OK
