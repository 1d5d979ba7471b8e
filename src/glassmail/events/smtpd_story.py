"""The SMTP side's log as events: sessions and refusals, from tcpserver's and qmail-smtpd's lines.

Always:
    - A session is what happens between `pid P from IP` and `end P`; a line that names a client but
      no process belongs to that client's newest session, or stands alone.
    - qmail's logs do not say whether a session brought mail: such a session's end is `ended`, and
      nobody claims that it sent nothing.
    - Sessions get numbers above all trace codes, so that they are no codes of this server's.
"""

from glassmail.core.model import code
from glassmail.events.event import Event
from glassmail.events.smtpd import Refused, SessionEnded
from glassmail.events.smtpd_lines import SmtpdLine, read

SESSIONS_MAX = 20_000  # open at once; the oldest is forgotten, its end was never logged
_FIRST_NUMBER = code.NUMBER_MAX + 1
_UNKNOWN_CODE = 550  # most lines name no reply
_DENIED = 25_600  # tcpserver's child of a denied client exits 100


class _Session:
    __slots__ = (
        "began", "client", "helo", "last", "name", "number", "port", "refused", "sender",
    )  # fmt: skip

    def __init__(self, at: int, line: SmtpdLine, number: int) -> None:
        self.began = self.last = at
        self.number = number
        self.client = line.client
        self.port = line.port
        self.name = line.name
        self.helo = line.helo
        self.sender = b""
        self.refused = 0


class SmtpdLog:
    """One log of the SMTP side, line by line."""

    def __init__(self) -> None:
        self._sessions: dict[int, _Session] = {}  # by process
        self._newest: dict[str, _Session] = {}  # by client
        self._last = 0
        self.lines = 0

    def feed(self, at: int, text: bytes) -> list[Event]:
        """Take a line without its time; return its events."""
        line = read(text)
        if line is None:
            return []
        self.lines += 1
        if line.kind in {"from", "ok"}:
            self._begin(at, line)
            return []
        if line.kind == "end":
            return self._end(at, line)
        if line.kind == "session":
            return [self._own_session(at, line)]
        if line.kind == "status":
            return []
        session = self._session(at, line)
        session.last = at
        if line.helo:
            session.helo = line.helo
        if line.sender:
            session.sender = line.sender
        if not line.is_refusal:
            return []
        session.refused += 1
        return [_refused(at, line, session)]

    def finish(self) -> list[Event]:
        """Return the sessions whose end the log does not hold."""
        left: list[Event] = [self._ended(one.last, one, "open") for one in self._sessions.values()]
        self._sessions.clear()
        self._newest.clear()
        return left

    def _begin(self, at: int, line: SmtpdLine) -> None:
        known = self._sessions.get(line.pid)
        if line.kind == "ok" and known is not None and known.client == line.client:
            known.port, known.name = line.port, line.name
            return
        if len(self._sessions) >= SESSIONS_MAX:
            oldest = next(iter(self._sessions))
            self._forget(oldest)
        session = _Session(at, line, self._number(at))
        self._sessions[line.pid] = self._newest[line.client] = session

    def _end(self, at: int, line: SmtpdLine) -> list[Event]:
        session = self._forget(line.pid)
        if session is None or line.status == _DENIED:
            return []
        how = "ended" if line.status == 0 else "dropped"  # qmail-smtpd exits 1 for both its ways
        return [self._ended(at, session, how)]

    @staticmethod
    def _ended(at: int, session: _Session, how: str) -> SessionEnded:
        return SessionEnded(at, session.number, "smtp", session.client, session.port, session.helo,
                            session.began, how, 0, session.refused, 0)  # fmt: skip

    def _own_session(self, at: int, line: SmtpdLine) -> SessionEnded:
        how = line.text.decode("ascii", "replace")
        return SessionEnded(at, line.code, "smtp", line.client, line.port, line.helo, at, how,
                            0, 0, 0)  # fmt: skip

    def _session(self, at: int, line: SmtpdLine) -> _Session:
        session = self._sessions.get(line.pid) if line.pid else None
        if session is None:
            session = self._newest.get(line.client)
        if session is None:
            number = line.code or self._number(at)
            session = _Session(at, line, number)
            if line.pid:
                self._sessions[line.pid] = session
        return session

    def _forget(self, pid: int) -> _Session | None:
        session = self._sessions.pop(pid, None)
        if session is not None and self._newest.get(session.client) is session:
            del self._newest[session.client]
        return session

    def _number(self, at: int) -> int:
        """A number of its own for each session: its microsecond, above all trace codes."""
        self._last = max(self._last + 1, at // 1_000)
        return int(_FIRST_NUMBER + self._last)


def _refused(at: int, line: SmtpdLine, session: _Session) -> Refused:
    first = line.text[:3]
    is_reply = first.isdigit() and first[:1] in b"45"
    stage = "rcpt" if line.recipient else "mail" if line.sender else "connect"
    return Refused(
        at, line.code or session.number, line.part, "smtp", line.client or session.client,
        line.port or session.port, line.name or session.name, line.helo or session.helo,
        line.sender or session.sender, line.recipient, stage, line.check,
        int(first) if is_reply else _UNKNOWN_CODE, line.text or line.check.encode(), (),
    )  # fmt: skip
