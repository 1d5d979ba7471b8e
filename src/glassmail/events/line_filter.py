"""Which lines of the text logs belong to what somebody looks for.

A line of qmail-send's log names a message or a delivery by its number only; who sent it and where
it goes stand in other lines. The filter remembers what it has read, and holds back the lines that
come before the one which decides (`new msg`, `info msg`, `starting delivery`).
"""

import re
from typing import NamedTuple, TypeVar

HELD_MAX = 10_000  # messages, and deliveries, whose lines may still be wanted

_NEW = re.compile(rb"new msg (\d{1,19})")
_INFO = re.compile(rb"info msg (\d{1,19}): bytes \d+ from <(.*)> qp ")
_START = re.compile(rb"starting delivery (\d{1,19}): msg (\d{1,19}) to (?:local|remote) (.*)")
_RESULT = re.compile(rb"delivery (\d{1,19}): (success|deferral|failure)?")
_LATER = re.compile(rb"(?:end msg|bounce msg|admin msg|\w+ bounce: discarding) ?(?:bounce/)?(\d+)")
_REFUSED = re.compile(
    rb"(refused|handed) (\S+) (\S+):\d+ .*? from <(.*?)> to (?:<(.*?)> by|\d+ by) "
)
_SESSION = re.compile(rb"session (\S+) (\S+):\d+ ")

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

STATES = ("success", "deferral", "failure", "refused")


class Wanted(NamedTuple):
    """What is looked for; what is empty does not matter. All that is set must hold.

    Attributes:
        sender, recipient: parts of addresses, in lower case.
        client: a numeric address.
        states: results of deliveries, and `refused`.
        messages: numbers; their lines, whatever else is asked for.
        codes: trace codes without /n; lines of these sessions.
    """

    sender: bytes = b""
    recipient: bytes = b""
    client: bytes = b""
    states: frozenset[str] = frozenset()
    messages: frozenset[int] = frozenset()
    codes: frozenset[bytes] = frozenset()

    @property
    def is_story(self) -> bool:
        """Whether named messages and sessions are looked for."""
        return bool(self.messages or self.codes)


class Line(NamedTuple):
    """A line of a log: its time, the log, the text without stamp, and as it stands."""

    at: int
    log: str
    text: bytes
    raw: bytes


class _Message:
    """What is known of a message, and its lines that nobody has asked for yet."""

    __slots__ = ("held", "is_shown", "sender_fits")

    def __init__(self) -> None:
        self.held: list[Line] = []
        self.is_shown = False
        self.sender_fits = False


class LineFilter:
    """Takes lines in the order of time, gives those that are wanted."""

    def __init__(self, wanted: Wanted) -> None:
        """Make it."""
        self._wanted = wanted
        self.takes_all = wanted == Wanted()
        self._messages: dict[int, _Message] = {}
        self._deliveries: dict[int, tuple[int, Line]] = {}
        self._codes: dict[bytes, None] = dict.fromkeys(wanted.codes)
        address = re.escape(wanted.client)
        self._client = re.compile(b"(?<![0-9a-fA-F.])" + address + b"(?![0-9a-fA-F.])")

    def feed(self, line: Line) -> list[Line]:
        """Take a line; return what may be shown now."""
        if self.takes_all:
            return [line]
        if line.log == "send":
            return self._send(line)
        if line.log == "smtpd":
            return [line] if self._fits_session(line.text) else []
        return []

    # --- qmail-send's lines ----------------------------------------------------------------------

    def _send(self, line: Line) -> list[Line]:
        text = line.text
        if text.startswith(b"status: "):
            return []
        if match := _START.match(text):
            return self._start(line, int(match[1]), int(match[2]), match[3])
        if match := _RESULT.match(text):
            return self._result(line, int(match[1]), (match[2] or b"").decode("ascii"))
        if match := _INFO.match(text):
            return self._info(line, int(match[1]), match[2])
        if match := _NEW.match(text):
            message = _Message()
            _remember(self._messages, int(match[1]), message)
            message.held.append(line)
            return []
        if match := _LATER.match(text):
            return [line] if self._is_shown(int(match[1])) else []
        return []

    def _info(self, line: Line, number: int, sender: bytes) -> list[Line]:
        wanted = self._wanted
        message = self._messages.get(number)
        if message is None:
            message = _Message()
            _remember(self._messages, number, message)
        message.held.append(line)
        if wanted.is_story:
            message.is_shown = number in wanted.messages
        elif wanted.client:
            return []  # qmail-send's lines name no clients
        else:
            message.sender_fits = wanted.sender in sender.lower()
            message.is_shown = message.sender_fits and not wanted.recipient and not wanted.states
        return _let_go(message) if message.is_shown else []

    def _start(self, line: Line, delivery: int, number: int, address: bytes) -> list[Line]:
        wanted = self._wanted
        if wanted.is_story:
            if number not in wanted.messages:
                return []
        else:
            message = self._messages.get(number)
            sender_fits = message.sender_fits if message is not None else not wanted.sender
            if wanted.client or not sender_fits or wanted.recipient not in address.lower():
                return []
        _remember(self._deliveries, delivery, (number, line))
        return [] if wanted.states else [*self._show(number), line]

    def _result(self, line: Line, delivery: int, state: str) -> list[Line]:
        known = self._deliveries.pop(delivery, None)
        if known is None:
            return []
        number, start = known
        if not self._wanted.states:
            return [line]
        return [*self._show(number), start, line] if state in self._wanted.states else []

    def _show(self, number: int) -> list[Line]:
        message = self._messages.get(number)
        if message is None:
            message = _Message()
            _remember(self._messages, number, message)
        message.is_shown = True
        return _let_go(message)

    def _is_shown(self, number: int) -> bool:
        message = self._messages.get(number)
        return number in self._wanted.messages or (message is not None and message.is_shown)

    # --- sessions --------------------------------------------------------------------------------

    def _fits_session(self, text: bytes) -> bool:
        wanted = self._wanted
        if match := _REFUSED.match(text):
            return self._fits_refusal(*match.groups())
        if match := _SESSION.match(text):
            code, client = match.groups()
            if code.partition(b"/")[0] in self._codes:
                return True
            return bool(wanted.client) and not self._asks_more() and client == wanted.client
        return self._names_client(text) and not self._asks_more()

    def _fits_refusal(
        self, kind: bytes, code: bytes, client: bytes, sender: bytes, recipient: bytes | None
    ) -> bool:
        wanted = self._wanted
        session = code.partition(b"/")[0]
        if wanted.is_story:
            return session in self._codes
        fits = (
            (not wanted.client or client == wanted.client)
            and wanted.sender in sender.lower()
            and wanted.recipient in (recipient or b"").lower()
            and (not wanted.states or (kind == b"refused" and "refused" in wanted.states))
        )
        if fits and session != b"-":
            _remember(self._codes, session, None)
        return fits

    def _names_client(self, text: bytes) -> bool:
        """Lines of other programs name a client anywhere: tcpserver's, s/qmail's, checks'."""
        return bool(self._wanted.client) and self._client.search(text) is not None

    def _asks_more(self) -> bool:
        wanted = self._wanted
        return bool(wanted.sender or wanted.recipient or wanted.states or wanted.is_story)


def _let_go(message: _Message) -> list[Line]:
    held, message.held = message.held, []
    return held


def _remember(table: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if key not in table and len(table) >= HELD_MAX:
        del table[next(iter(table))]  # the oldest
    table[key] = value
