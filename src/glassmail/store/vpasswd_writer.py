"""Change the accounts of a virtual domain in vpopmail's own files: vpasswd and vpasswd.cdb.

Always:
    - Edits hold vpopmail's lock, an fcntl lock on `.vpasswd.lock`, so that its programs and
      these wait for each other (vcdb.c).
    - Lines that an edit does not mean stay byte for byte, broken ones too; the file is sorted by
      name, which vpopmail expects.
    - All new files are on the disk before the first one is replaced: a full disk leaves the old.
    - The text is replaced first, and its time of change made later than that of the old cdb;
      then the cdb, not earlier than the text. Readers use the cdb only while it is not older,
      so that a kill between the two shows the new text, and never an old account.
    - A file is worked on as lines, not as accounts: adding one mailbox to 100,000 must not read
      100,000 records.
"""

import os
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from glassmail.core.formats import cdb, dir_control, vpasswd
from glassmail.core.formats.vpasswd import Account, RecordError, Vpasswd
from glassmail.core.model.system_errors import words_of
from glassmail.store import edit
from glassmail.store.account_writer import (
    NO_LIMIT,
    AccountChangeError,
    Change,
    Changed,
    Domain,
    MissingError,
    TakenError,
    TooManyError,
)
from glassmail.store.accounts import Found, Mailboxes
from glassmail.store.sql import marker

FILE_MODE = 0o600
LOCK_NAME = ".vpasswd.lock"

_Lines = list[bytes]


class VpasswdWriter:
    """An AccountWriter that keeps accounts in the domain's directory."""

    is_in_directory = True

    def __init__(self) -> None:
        self._mailboxes = Mailboxes()

    def create(self, domain: Domain) -> None:
        """Make empty files where there are none; make the cdb anew where it is older."""
        with _failures(), locked(domain):
            _refuse_moved(domain)
            if not _has_cdb(domain):
                _write(domain, _lines(_read(domain)))

    def reach(self, domain: Domain) -> None:
        """Do nothing: whoever may change the directory may change the files."""

    def drop(self, domain: Domain) -> None:
        """Do nothing: the files go with the domain's directory."""

    def read(self, domain: Domain) -> Vpasswd:
        """Return the accounts in the order of the file."""
        with _failures():
            return vpasswd.parse(_read(domain), _path(domain))

    def find(self, domain: Domain, name: bytes) -> Found:
        """Look one account up, as the server does."""
        return self._mailboxes.find(os.fsencode(domain.directory), name)

    def count(self, domain: Domain) -> int:
        """Count the lines."""
        with _failures():
            return len(_lines(_read(domain)))

    def add(self, domain: Domain, accounts: Sequence[Account], count_max: int = NO_LIMIT) -> None:
        """Add lines, all or none; raises TakenError, TooManyError, AccountChangeError."""

        def change(lines: _Lines) -> _Lines:
            names = [_name(line) for line in lines]
            if 0 <= count_max < len(lines) + len(accounts):
                raise TooManyError(f"{len(lines)} mailboxes are there and {count_max} are allowed")
            for account in accounts:
                at = bisect_left(names, account.name)
                if names[at : at + 1] == [account.name]:
                    shown = account.name.decode("ascii", "backslashreplace")
                    raise TakenError(f"{shown}: the mailbox exists already")
                names.insert(at, account.name)
                lines.insert(at, vpasswd.render_line(account))
            return lines

        _edit(domain, change)

    def change(
        self, domain: Domain, names: Collection[bytes] | None, change: Change
    ) -> list[Changed]:
        """Replace lines; raises MissingError, AccountChangeError."""
        changed: list[Changed] = []

        def rewrite(lines: _Lines) -> _Lines:
            changed.clear()
            wanted = None if names is None else set(names)
            for at, line in enumerate(lines):
                name = _name(line)
                if wanted is not None and name not in wanted:
                    continue
                if wanted is not None:
                    wanted.discard(name)
                before = _record(domain, line, is_named=names is not None)
                if before is None:
                    continue
                after = change(before)
                if after != before:
                    lines[at] = vpasswd.render_line(after)
                    changed.append(Changed(before, after))
            if wanted:
                raise _missing(min(wanted))
            return lines

        _edit(domain, rewrite)
        return changed

    def remove(self, domain: Domain, name: bytes) -> Account:
        """Remove a line; raises MissingError, AccountChangeError."""
        found: list[Account] = []

        def cut(lines: _Lines) -> _Lines:
            found.clear()
            kept: _Lines = []
            for line in lines:
                if _name(line) != name:
                    kept.append(line)
                    continue
                account = _record(domain, line, is_named=False)
                found.append(account or Account(name, b"*", b"1", 0, b"", b"", b"NOQUOTA"))
            if not found:
                raise _missing(name)
            return kept

        _edit(domain, cut)
        return found[0]


@contextmanager
def locked(domain: Domain) -> Iterator[None]:
    """Hold vpopmail's lock of a domain; not to be taken twice. Raises EditError."""
    with edit.locked(_path(domain), os.path.join(domain.directory, LOCK_NAME)):
        yield


def _edit(domain: Domain, change: Callable[[_Lines], _Lines]) -> None:
    with _failures(), locked(domain):
        _refuse_moved(domain)
        before = _lines(_read(domain))
        after = change(before.copy())
        if after != before or not _has_cdb(domain):
            _write(domain, after)


def _refuse_moved(domain: Domain) -> None:
    """Refuse to begin a vpasswd where the accounts were moved into a data base just now."""
    mark = os.path.join(domain.directory, marker.NAME)
    if os.path.lexists(mark) and not os.path.lexists(_path(domain)):
        raise AccountChangeError(f"{mark}: the accounts are in the data base now: try again")


def _lines(data: bytes) -> _Lines:
    """Part a file into lines in order of their names; equal names keep their order."""
    lines = [line for line in data.split(b"\n") if line]
    lines.sort(key=_name)  # one pass when they are in order already
    return lines


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0]


def _record(domain: Domain, line: bytes, *, is_named: bool) -> Account | None:
    """Read a line; one that was asked for by name must be readable, others are passed over."""
    name, _colon, rest = line.partition(b":")
    try:
        return vpasswd.parse_record(name, rest)
    except RecordError as error:
        if not is_named:
            return None
        number = _read(domain).split(b"\n").index(line) + 1
        raise AccountChangeError(
            f"{_path(domain)}:{number}: {error}: write the line anew"
        ) from error


def _write(domain: Domain, lines: _Lines) -> None:
    path = _path(domain)
    old_cdb = _changed_ns(path + ".cdb")
    records = cdb.render(_records(lines))  # before anything is written: it may refuse
    control = os.path.join(domain.directory, dir_control.FILE_NAME)
    try:
        with open(control, "rb") as file:
            before = file.read()
    except FileNotFoundError:
        before = b""
    text = b"".join([line + b"\n" for line in lines])
    count = dir_control.with_count(before, len(lines))
    # The cdb last: as long as it is older, `create` does all of this again.
    contents = ((path, text), (control, count), (path + ".cdb", records))
    new = [edit.NewFile(name, data, FILE_MODE, domain.owner) for name, data in contents]
    edit.replace_together(new, old_cdb)


def _records(lines: _Lines) -> Iterator[tuple[bytes, bytes]]:
    """Make the records; those of broken lines too, for a reader to tell instead of "nobody"."""
    for line in lines:
        name, _colon, rest = line.partition(b":")
        yield name, rest


def _read(domain: Domain) -> bytes:
    try:
        with open(_path(domain), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return _from_cdb(domain)


def _from_cdb(domain: Domain) -> bytes:
    """Make the text of a domain that has its cdb alone, which is what readers go by then."""
    try:
        with open(_path(domain) + ".cdb", "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return b""
    return b"".join(name + b":" + rest + b"\n" for name, rest in cdb.records(data))


def _has_cdb(domain: Domain) -> bool:
    text, table = _changed_ns(_path(domain)), _changed_ns(_path(domain) + ".cdb")
    return text != 0 and table >= text


def _changed_ns(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def _path(domain: Domain) -> str:
    return os.path.join(domain.directory, "vpasswd")


def _missing(name: bytes) -> MissingError:
    return MissingError(f"{name.decode('utf-8', 'backslashreplace')}: there is no such mailbox")


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except edit.EditError as error:
        raise AccountChangeError(str(error)) from error
    except cdb.CdbError as error:
        raise AccountChangeError(f"vpasswd.cdb: {error}") from error
    except OSError as error:
        remedy = "run this as root or as the file's owner"
        raise AccountChangeError(f"{error.filename}: {words_of(error)}: {remedy}") from error
