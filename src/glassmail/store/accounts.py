"""Find one mailbox of a virtual domain: vpasswd.cdb, else vpasswd, else a data base.

Purpose:
    vpopmail keeps the mailboxes of a domain in `vpasswd` and, for quick look-ups, in
    `vpasswd.cdb` beside it. The cdb is used when it is not older than the text; otherwise the
    text, read once per change. A domain that has neither may be kept in a data base (store.sql).

Always:
    - An answer is yes, no or cannot tell. What may not be read, and a line that is broken, is
      "cannot tell" with file and reason, never "no such mailbox".
    - The number of domains kept open is bounded; the one opened first goes first.
"""

import os
from typing import NamedTuple

from glassmail.core.formats import vpasswd
from glassmail.core.formats.cdb import CdbError
from glassmail.core.formats.vpasswd import Account, RecordError, Vpasswd
from glassmail.core.model.system_errors import words_of
from glassmail.core.model.trail import NO, UNKNOWN, YES
from glassmail.store.cdb import Cdb, CdbFile
from glassmail.store.control import ControlError, read_file

DOMAINS_OPEN_MAX = 256  # each holds one mapped cdb or one parsed text


class Found(NamedTuple):
    """The answer to "is there this mailbox?".

    Attributes:
        answer: YES, NO or UNKNOWN of core.model.trail.
        account: the mailbox for YES.
        source: the file that says so, or why nobody can tell.
    """

    answer: str
    account: Account | None
    source: str


class _Domain:
    """One domain's files, as they were at the last look."""

    __slots__ = ("_cdb", "_directory", "_stamp", "_text", "_text_name")

    def __init__(self, directory: bytes) -> None:
        self._directory = directory
        self._text_name = os.path.join(os.fsdecode(directory), "vpasswd")
        self._cdb = Cdb(self._text_name + ".cdb")
        self._text: Vpasswd | None = None
        self._stamp: tuple[int, int, int] | None = None

    def find(self, name: bytes) -> Found:
        try:
            text = _status(self._text_name)
            cdb = self._cdb.current()
        except OSError as error:
            return Found(UNKNOWN, None, f"{words_of(error)}: {self._text_name}")
        if cdb is not None and (text is None or cdb.mtime_ns >= text.st_mtime_ns):
            found = _find_in_cdb(cdb, name)
            if found.answer != UNKNOWN or text is None:
                return found
            # A broken line is told with its number, which the cdb does not know.
            in_text = self._find_in_text(name, text)
            return in_text if in_text.answer == UNKNOWN else found
        if text is None:
            in_database = self._find_in_database(name)
            return in_database or Found(NO, None, f"{self._text_name} (no such file)")
        return self._find_in_text(name, text)

    def _find_in_database(self, name: bytes) -> Found | None:
        # Here and not above: a domain without vpasswd is rare, and that module needs this one.
        from glassmail.store.sql import reader

        return reader.find(self._directory, name)

    def _find_in_text(self, name: bytes, status: os.stat_result) -> Found:
        stamp = status.st_mtime_ns, status.st_size, status.st_ino
        if self._text is None or stamp != self._stamp:
            try:
                data = read_file(self._text_name)
            except ControlError as error:
                return Found(UNKNOWN, None, str(error))
            self._text = vpasswd.parse(data or b"", self._text_name)
            self._stamp = stamp
        account = self._text.accounts.get(name)
        if account is not None:
            return Found(YES, account, self._text_name)
        if name in self._text.broken:
            return Found(UNKNOWN, None, self._text.broken[name])
        return Found(NO, None, self._text_name)


class Mailboxes:
    """The virtual domains that this process was asked about."""

    def __init__(self, domains_most: int = DOMAINS_OPEN_MAX) -> None:
        self._domains: dict[bytes, _Domain] = {}
        self._domains_most = domains_most

    def find(self, directory: bytes, name: bytes) -> Found:
        """Look for a mailbox by its lower-case name in the domain whose directory this is."""
        domain = self._domains.get(directory)
        if domain is None:
            domain = self._open(directory)
        return domain.find(name)

    def _open(self, directory: bytes) -> _Domain:
        if len(self._domains) >= self._domains_most:
            self._domains.pop(next(iter(self._domains)))
        domain = self._domains[directory] = _Domain(directory)
        return domain


def _find_in_cdb(cdb: CdbFile, name: bytes) -> Found:
    try:
        data = cdb.find(name)
        if data is None:
            return Found(NO, None, cdb.name)
        return Found(YES, vpasswd.parse_record(name, data), cdb.name)
    except CdbError as error:  # it names the file
        remedy = "remove it; vpasswd counts then, and the next change makes it"
        return Found(UNKNOWN, None, f"{error}: {remedy}")
    except RecordError as error:
        return Found(UNKNOWN, None, f"{cdb.name}: {error}: write the line anew")


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
