"""The data base of a site: which, with which password, and the connection this process keeps.

`control/accountsdb` names it (core.formats.database_address), `users/accountsdb.password` holds
the password where one is needed.

Always:
    - After a failure nobody is asked for PAUSE_S: a data base that is down must not hold up a
      process at every mailbox.
    - A connection that has gone (the server was started anew) is made again once, at once; not
      when it kept us waiting before.
    - One that answers after SLOW_S only is left alone for as long as it took: whoever asks one
      question after another spends half of the time waiting at most.
    - A process that was forked makes connections of its own, and leaves its parent's alone.
"""

import os
import stat
import time
from collections.abc import Callable
from typing import TypeVar

from glassmail.core.formats.control import parse_line
from glassmail.core.formats.database_address import AddressError, DatabaseAddress, Kind, parse
from glassmail.core.model.system_errors import words_of
from glassmail.store.control import ControlError, read_file
from glassmail.store.sql import schema
from glassmail.store.sql.session import Session, SqlError, connect

SETTING = "accountsdb"
PASSWORD_NAME = "accountsdb.password"  # noqa: S105 (a file's name)
SQLITE_NAME = ".accounts.db"
PAUSE_S = 2.0
SLOW_S = 1.0
AGAIN_WITHIN_S = 0.5
LOOK_AGAIN_S = 1.0  # how often the control file is looked at
_PASSWORD_BYTES_MAX = 4_096

Answer = TypeVar("Answer")


def address_of(root: str) -> DatabaseAddress | None:
    """Return the data base that a site names; None when it names none. Raises SqlError."""
    path = os.path.join(root, "control", SETTING)
    try:
        _refuse_foreign(path)
        data = read_file(path)
        line = parse_line(data) if data is not None else b""
        address = parse(line) if line else None
    except ControlError as error:
        raise SqlError(str(error)) from error
    except AddressError as error:
        raise SqlError(f"{path}: {error}") from error
    if address is not None and address.kind is Kind.SQLITE and not address.path:
        return address._replace(path=os.path.join(root, "domains", SQLITE_NAME))
    return address


def _refuse_foreign(path: str) -> None:
    """Refuse a setting that somebody else could have written: a mark may name any ROOT."""
    try:
        owner = os.stat(path).st_uid
    except OSError:
        return  # there is none, or reading it says why not
    if owner not in (0, os.geteuid()):
        raise SqlError(f"{path}: it belongs to uid {owner}, neither root nor us: ask as that user")


def open_session(root: str, address: DatabaseAddress) -> Session:
    """Connect; raises SqlError."""
    needs = address.kind is not Kind.SQLITE
    return connect(address, _password(os.path.join(root, "users", PASSWORD_NAME)) if needs else "")


class Database:
    """The data base of one site, as one process asks it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._address: DatabaseAddress | None = None
        self._session: Session | None = None
        self._pid = 0
        self._look_at = 0.0
        self._trouble = ""
        self._try_at = 0.0
        self._left: list[Session] = []  # of a parent: closing them would say good-bye for it

    def ask(self, question: Callable[[Session], Answer]) -> Answer:
        """Let a question be asked; raises SqlError."""
        now = time.monotonic()
        if self._trouble and now < self._try_at:
            raise SqlError(self._trouble)
        try:
            answer = self._ask(question, now)
        except SqlError as error:
            self._trouble, self._try_at = str(error), time.monotonic() + PAUSE_S
            raise
        took = time.monotonic() - now
        self._trouble = ""
        if took > SLOW_S:
            self._trouble = f"the data base took {took:.1f} s for an answer: not asked for as long"
            self._try_at = now + 2 * took
        return answer

    def close(self) -> None:
        """Hang up; the next question connects anew."""
        if self._pid == os.getpid():
            self._hang_up()

    def _ask(self, question: Callable[[Session], Answer], now: float) -> Answer:
        session, is_old = self._current(now)
        try:
            return question(session)
        except SqlError as error:
            if not error.is_gone:
                raise
            self._hang_up()
            if not is_old or time.monotonic() - now > AGAIN_WITHIN_S:
                raise
        session, _is_old = self._current(now)
        return question(session)

    def _current(self, now: float) -> tuple[Session, bool]:
        """Return the connection, and whether it is from an earlier question."""
        if self._pid != os.getpid():
            if self._session is not None:
                self._left.append(self._session)
            self._session, self._pid = None, os.getpid()
        if self._session is None or now >= self._look_at:
            address = address_of(self._root)
            self._look_at = now + LOOK_AGAIN_S
            if address is None:
                self._hang_up()
                raise SqlError(f"{self._root}/control/{SETTING} names no data base")
            if address != self._address:
                self._hang_up()
                self._address = address
        if self._session is not None:
            return self._session, True
        assert self._address is not None
        session = open_session(self._root, self._address)
        try:
            schema.check(session)
        except SqlError:
            session.close()
            raise
        self._session = session
        return session, False

    def _hang_up(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _password(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""  # the server lets us in by other means, or says that it does not
    except OSError as error:
        raise SqlError(f"{path}: {words_of(error)}") from error
    try:
        if os.fstat(descriptor).st_mode & stat.S_IROTH:
            raise SqlError(f"{path}: everybody may read it: chmod 600 it")
        line = os.read(descriptor, _PASSWORD_BYTES_MAX).partition(b"\n")[0]
    finally:
        os.close(descriptor)
    return line.decode("utf-8", "surrogateescape")
